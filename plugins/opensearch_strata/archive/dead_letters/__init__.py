"""Records that could not be loaded, kept with reason and bytes.

Knows S3 and letters; loading them again is for `archive.redrive`.
"""
