"""Objects in S3 to documents of raw days, with a ledger of what was loaded, and the proof of it.

Knows nothing of rows and windows.
"""
