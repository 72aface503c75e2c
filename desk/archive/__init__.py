"""What the desk asks of the records, worked off in their thread; imported with the first question.

Brings cryptography and a database's client, which a service without records does without: pages import these modules
in the thread, and not at their top.

cases.py      one decision with all that was told of it, and what decided it
finding.py    decisions by what is known of them, and those that wait for somebody
recorded.py   a record as the answer that it was
"""
