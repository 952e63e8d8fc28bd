"""One raw day as it is: which index, how many documents, which values no search sees, and who holds it.

Reads and blocks a raw day; never writes documents, and knows nothing about rows.
"""
