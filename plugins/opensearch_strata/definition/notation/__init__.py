"""How a definition writes down times and patterns, and how such notation is read.

Knows texts and moments; knows nothing of datasets.
"""
