"""Answered once: requests that carry a key, and what they were answered, kept for those that come again.

answer.py      an answer that is kept for a key
in_sqlite.py, in_postgresql.py  where answers are, in either kind of store
claims.py      what says that a key is in work, or was answered
folder.py      claims of the workers of one folder: locks that end with the process that holds them
database.py    claims of all workers of one database: rows that are as alive as the session that made them
claimer.py     many requests' claims at once, in a thread of their own
"""
