"""The buckets of a raw day: the searches and scripts that make them, cut so that no answer is too large.

Knows how to ask; what is done with a bucket is up to others.
"""
