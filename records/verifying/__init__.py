"""Whether all that was kept is there as it was written.

chains.py  what each writer has written, and the names of what was decided by
events.py  what was told of decisions, and that what has no content any more was purged
"""
