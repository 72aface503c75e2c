"""What was told of decisions after they were made: the notice, holds, reviews, and what became of the loan.

event.py      what is stored of it, in a chain of its own
standing.py   all that was told of one decision, and how it stands
acts.py       the same one by one: who did what, and when
naming.py     the decisions that an id or a reference names
telling.py    what is new of what is told, and what contradicts
reviewing.py  looked at, made again, overridden by two people, and reviewed
outcomes.py   a file of outcomes, line by line
"""
