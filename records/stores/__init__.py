"""Where entries are kept, behind one interface.

base.py        what a store has to do
sqlite.py      a folder with a file for each worker; sqlite_files.py: one such file, opened and brought to a schema
postgresql.py  a database for all workers
ledger.py      the same with what was told of decisions, and what the store's owner does to them:
               sqlite_events.py, sqlite_ledger.py and postgresql_ledger.py
spooling.py    a store that may be away for a while, and the folder that entries go to meanwhile
server.py      how a PostgreSQL server is reached, how long it is waited for, and what is said of it
versions.py    the schema as numbered SQL files, and whether a store has it
opening.py     the store that a setting names
"""
