"""Files of applications, as tables of a bounded size.

source.py      what there is: files with their digests, rows and columns
discovery.py   which files a path names, and what a partitioned folder's names say
opening.py     all files looked at and cut into parts, before any row is scored
spans.py       what a part is of the files
reading.py     a part's rows in blocks
blocks.py      tables of a given number of rows
parquet.py     rows of Parquet
delimited.py   where the records of CSV begin
text.py        rows of CSV, every cell a text
"""
