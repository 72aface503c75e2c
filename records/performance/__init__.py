"""How the model fares: what it said, against what became of the loans, by month of decision.

cohorts.py     decisions of each model and month, out of a store
measuring.py   figures of a month, and of all together
report.py      as text
page.py        as a page with plots
plots.py       these
metrics.py     as gauges, for Prometheus
"""
