"""Loads new objects as a queue tells of them, into the same ledger and raw days as a backfill.

A message is only a hint: what is loaded, and whether it is loaded already, is decided by S3 and the ledger.
"""
