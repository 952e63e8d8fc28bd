"""Objects in S3: listed, opened, named, and checked against manifests.

Knows keys and bytes; not what they mean.
"""
