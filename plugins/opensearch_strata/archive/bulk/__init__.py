"""Sends documents to OpenSearch through the bulk API until every one of them is accounted for.

Knows requests and responses, but not where the documents come from.
"""
