"""The notation for times, patterns and lists in a definition, and the code that reads it.

Knows texts and moments in time; knows nothing about datasets.
"""
