"""A folder with a file for each worker.

files.py       one such file: opened, held, brought to a schema
store.py       what a service writes and reads
events.py      what was told of decisions, in a file of its own
ledger.py      both, and what the store's owner does to them
"""
