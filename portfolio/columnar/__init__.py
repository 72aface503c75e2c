"""A table of a file to what the engine reads columns of.

casting.py    a column of a file as the cells of a contract's field
layout.py     which column of a file holds which field
reading.py    cells to the engine's columns, by the contract

Arrow ends here: `engine.columnar` knows NumPy only.
"""
