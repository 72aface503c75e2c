"""A portfolio scored part by part: what is done stays done, whatever ends the work.

plan.py      what the work is of: digests of input, model, policy and code
code.py      the digest of the code that answers
output.py    the folder of answers
receipt.py   what came of a part
scoring.py   one part: rows in, files out; it knows no engine
engine.py    who does the parts
pool.py      processes of this machine
cluster.py   tasks of a Ray cluster
manifest.py  what came of all parts, written last
run.py       the work as a whole
progress.py  how far it has come
"""
