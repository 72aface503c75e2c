"""The servers that the bundle is compared with, each written as its own documentation would have it."""
