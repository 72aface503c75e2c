"""Applications a column at a time: what `Engine.assess` says one by one, for many at once.

columns.py    a field's values as numbers and places among names
reading.py    what is stated to columns, by the contract
documents.py  what decoded JSON documents state, and the applications that they are
matrix.py     columns to features, or to rows of the tables that a model looks turns up in
model.py      PDs
outside.py    what lies outside the training range
deciding.py   a policy over columns
lowering.py   whether better values would have helped
reasoning.py  the reasons
lists.py      a list for each row, of which few differ
binning.py    values by the training distribution's bins
assessing.py  all of it

NumPy only: where columns come from is for whoever has them.
"""
