"""What a store's owner does to it as time goes by.

retention.py  how long a decision is kept
purge.py      content is destroyed whose time is over
resealing.py  data keys are sealed by the newest key
export.py     decisions as columns, for a file of Parquet
"""
