"""Condenses raw days to rows, proves the rows, and answers queries over both.

Knows OpenSearch; knows nothing about S3, the window or its callers.
"""
