"""What `python -m portfolio` can do, a module for each command.

A module's `add` declares the command's arguments, and is called at every start: what takes a while to import is
imported by what runs the command, so that neither --help nor wrong arguments wait for it.

options.py  what commands have in common: which model and policy, how a refusal is told
"""
