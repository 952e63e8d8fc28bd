"""The proof that rows carry every document of their raw day, and the one repair that it may try.

Compares contents; deletes nothing.
"""
