"""The mathematics of distributions and frequent values, with their stated errors.

Knows numbers and bytes; knows nothing about OpenSearch. The Python twins of the Painless scripts.
"""
