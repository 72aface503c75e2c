"""Where entries are kept, behind one interface.

base.py        what a store has to do
ledger.py      the same with what was told of decisions, and what the store's owner does to them
sqlite/        a folder with a file for each worker
postgresql/    a database for all workers
spooling.py    a store that may be away for a while, and the folder that entries go to meanwhile
versions.py    the schema as numbered SQL files, and whether a store has it
opening.py     the store that a setting names
"""
