"""Applications a column at a time.

casting.py    a column of a file as the cells of a contract's field
layout.py     which column of a file holds which field
reading.py    cells to columns, by the contract
columns.py    a field's values as numbers and places among names
matrix.py     columns to features, or to rows of the tables that a model looks turns up in
model.py      PDs
outside.py    what lies outside the training range
deciding.py   a policy over columns
lowering.py   whether better values would have helped
reasoning.py  the reasons' codes
assessing.py  all of it

Arrow ends at reading.py: from columns.py on there is NumPy only.
"""
