"""Objects in S3: listing, opening and naming them, and checking them against manifests.

Knows keys and bytes, but not what they mean.
"""
