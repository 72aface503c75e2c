"""Decisions on record: what was asked, what was used, what was answered, and by what; kept so that it can be shown.

identifiers.py  ids that follow the clock
record.py       one decision, and its bytes
moments.py      times as they are kept, and as they are written
basis.py        what all decisions of one start have in common: model, policy, contract, code, libraries
keyring.py      the keys that records are sealed with
chain.py        what is stored, each entry bound to the one before it
committer.py    many requests' records in one transaction, durable before any of them is answered
reading.py      what is stored, opened again
stores/         where entries are kept: SQLite, PostgreSQL
idempotency/    answers kept for the keys of requests that come again
events/         what was told of decisions after they were made
shadow/         a challenger, which decides what was answered already
replaying/      decisions made again
checkpoints/    what all chains had come to, signed and kept elsewhere
verifying/      whether all is there as it was written
upkeep/         what a store's owner does to it as time goes by
commands/       what `python -m records` can do
"""
