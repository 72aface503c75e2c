"""Applications a column at a time.

casting.py  a column of a file as the cells of a contract's field
layout.py   which column of a file holds which field
"""
