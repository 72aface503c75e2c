"""Where entries are kept, behind one interface.

base.py      what a store has to do
sqlite.py    a folder with a file for each worker
versions.py  the schema as numbered SQL files, and whether a store has it
"""
