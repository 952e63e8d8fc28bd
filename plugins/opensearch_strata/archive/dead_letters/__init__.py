"""Records that could not be loaded, kept with their reason and bytes.

Knows S3 and dead letters; `archive.redrive` loads them again.
"""
