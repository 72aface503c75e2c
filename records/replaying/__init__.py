"""Decisions made again.

answers.py   what an assessment is on record as
archived.py  a model and policy out of a store's archive
replay.py    decisions again from their records, held against what was answered
"""
