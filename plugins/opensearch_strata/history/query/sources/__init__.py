"""What exists to answer a question from, and how a raw day and its rows are related.

Decides which side is read; reads no metrics.
"""
