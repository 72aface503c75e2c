"""A database for all workers.

server.py      how it is reached, how long it is waited for, and what is said of it
session.py     one user's connection
store.py       what a service writes and reads
ledger.py      the same with what was told of decisions, and what the store's owner does to them
schema.py      its tables, and the rights of who writes there
"""
