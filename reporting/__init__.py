"""What people look at: an HTML file that needs nothing else, and the drawings in it.

page.py       the file around its sections
elements.py   what these are made of
svg.py        drawing
"""
