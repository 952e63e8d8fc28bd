"""From objects in S3 to documents of raw days, with a ledger of what was loaded and a proof of it.

Knows nothing about rows and windows.
"""
