"""The validation report: what a second line of defence asks of a model, measured, and then told.

resampling.py    95% intervals, by bootstrap
figures.py       the metrics of a set of PDs, with intervals
cells.py         calibration by band, by category, by group
approvals.py     decisions of many at once, and approval by group
refits.py        the model fitted again on the folds: without a field, without a direction, with another seed
scorecard.py     a points scorecard, as a challenger
alternatives.py  the search for less discriminatory alternatives, and the price of each direction
sensitivity.py   one field moved by one step
stability.py     over seeds and over splits
monitoring.py    what the alerts watch
validation.py    all of it, measured
sections.py      all of it, in Markdown
markdown.py      tables, numbers and escapes
page.py          the Markdown as one HTML file
"""
