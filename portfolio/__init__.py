"""A whole portfolio's applications, columns in and columns out: the answers that the service gives, bit for bit.

assessor.py  a model and policy that score tables
answers.py   what comes out of them
columnar/    Arrow's columns to what the contract reads, checked and decided a column at a time
errors.py    all that can be wrong
"""
