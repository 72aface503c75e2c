"""What all chains of a store had come to, signed and kept where whoever can change the store can't.

merkle.py      one hash of many, as in RFC 9162
envelopes.py   keys, and statements that they have signed
checkpoint.py  what a checkpoint says, and what a row of them comes to
making.py      the next one of a store
places.py      a file or a URL that they are kept at
comparing.py   a store's entries against them
"""
