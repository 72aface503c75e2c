"""Two policies or two models over the same applications.

comparing.py    tables in, a comparison out
sides.py        the two, by what people name
opening.py      the columns that are needed of an input
verdicts.py     what each of the two says of a table's rows
rules.py        what each rule decides, and what it alone does
grouping.py     the groups that the contract reports by
borrowing.py    what became of the loans, and what they bring by stated assumptions
tally.py        counts and sums that any number of rows fits in
comparison.py   what is said of them
changed.py      the applications that are decided otherwise, to a file of Parquet
report.py       as text
page.py         as a page with plots
plots.py        these
"""
