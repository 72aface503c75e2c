"""Programs that the desk begins, each in a process of its own: they open files that people have sent.

limits.py     what such a program may take, and how it tells what it has done
reading.py    reads a file into applications
performing.py what models said against what became of the loans
comparing.py  compares a draft of the policy with the one in force
"""
