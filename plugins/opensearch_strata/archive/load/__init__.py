"""Objects into raw days: claimed, read, sent, accounted for.

The one room that puts the others of the archive together.
"""
