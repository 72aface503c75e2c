"""Figures on decisions, and how they are told.

statistics.py   intervals and distances, by formulas with names
ranking.py      how well PDs part defaults from the rest
texts.py        figures as text, and tables of them
"""
