"""The buckets of a raw day: the searches and scripts that compute them, divided so that no answer is too large.

Knows how to ask for buckets; others decide what to do with them.
"""
