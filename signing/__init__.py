"""Signatures of the folders that are imported, in the format of OpenSSF model signing. Serving needs none of it.

A signature covers every file of a folder by name and SHA-256, and lies in it as `model.sig`. What it says, and how it
is made and checked, is the library's: `model_signing` of the same package signs and verifies the same folders.
"""

SIGNATURE = "model.sig"
"""The signature's file in the folder that it is of."""
