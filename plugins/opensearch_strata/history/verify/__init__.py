"""The proof that rows carry every document of their raw day, and the single repair that it may try.

Compares contents; deletes nothing.
"""
