"""The audit: every day of a dataset against whatever is left of it, and archived days restored to see that they can be.

Reads and compares; the only things that it ever writes are rows of late documents and scratch indices of its own.
"""
