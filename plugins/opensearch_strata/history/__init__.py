"""A raw day condensed to rows, their proof, and queries over both.

Knows OpenSearch; knows nothing of S3, of the window or of who starts it.
"""
