"""A whole portfolio's applications, columns in and columns out: the answers that the service gives, bit for bit.

assessor.py  a model and policy that score tables
answers.py   what comes out of them
columnar/    Arrow's columns to what the contract reads, checked and decided a column at a time
reading/     files of applications, as tables of a bounded size
running/     plan, parts, manifest; who does the parts
commands/    what `python -m portfolio` can do
errors.py    all that can be wrong
"""
