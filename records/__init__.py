"""Decisions on record: what was asked, what was used, what was answered, and by what; kept so that it can be shown.

identifiers.py  ids that follow the clock
record.py       one decision, and its bytes
basis.py        what all decisions of one start have in common: model, policy, contract, code, libraries
keyring.py      the keys that records are sealed with
chain.py        what is stored, each entry bound to the one before it
stores/         where entries are kept: SQLite, PostgreSQL
committer.py    many requests' records in one transaction, durable before any of them is answered
commands/       what `python -m records` can do
"""
