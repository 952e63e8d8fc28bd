"""What there is to answer a question from, and what raw day and rows are to one another.

Decides which side is read; reads no metrics.
"""
