"""A raw day to objects in S3, read back and proven, with a manifest that is written last.

Knows how a day is read, packed and proven; not when a day is archived, and nothing of rows.
"""
