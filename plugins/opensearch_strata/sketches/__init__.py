"""The mathematics of distributions and of frequent values, with their stated errors.

Knows numbers and bytes; knows nothing of OpenSearch. Twins of the Painless scripts.
"""
