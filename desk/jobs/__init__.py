"""Work that takes longer than a request: a file scored, a draft compared.

A job is a folder, so that it is seen by whichever worker is asked; the one that has begun it does it. It belongs to
who began it, and is gone an hour after its end.

job.py        what is known of a job
jobs.py       all jobs: made, found, kept, removed
uploads.py    a file that comes in, piece by piece
children.py   a program that does what no worker should: open files that people have sent, and go through them
batch.py      these applications decided and put on record, part by part
results.py    the files of a batch's results
drafts.py     a draft of the policy, checked and laid out for a comparison
"""
