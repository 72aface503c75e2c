"""A challenger: a second model or policy that decides what was answered already, and is held against it.

verdict.py     what it said of one decision, and as it is stored
in_sqlite.py, in_postgresql.py  where that is, in either kind of store
messages.py    what two processes say to each other
limits.py      what the challenger's process may take
child.py       that process: assesses, seals, keeps
challenger.py  what hands it decisions, and ends it where it goes wrong
sides.py       decisions with what was said of them, out of a store
comparing.py   what champion and challenger said, side by side
report.py      a comparison as text
"""
