"""The history's second copy: a day's rows as a Parquet file, a month made from files, a month moved to a new index.

Knows rows as tables and as the bytes of a file; knows nothing of S3.
"""
