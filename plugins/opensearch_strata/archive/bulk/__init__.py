"""Documents into OpenSearch by the bulk API, until every one is accounted for.

Knows requests and answers; not where documents come from.
"""
