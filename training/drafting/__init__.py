"""A loan book's first draft, from a file that nobody here has seen.

columns.py  what a column holds
signs.py    what about it a person must look at
alike.py    rows that look like one applicant's
fields.py   the field it becomes
files.py    the folder's files
report.py   what was noticed, for a person to read
"""
