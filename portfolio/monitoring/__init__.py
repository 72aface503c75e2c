"""How a portfolio lies against what the model was trained on.

counting.py   tables in, counts by the training distribution's bins out
findings.py   what is said of them
report.py     as text
metrics.py    as gauges, for Prometheus
"""
