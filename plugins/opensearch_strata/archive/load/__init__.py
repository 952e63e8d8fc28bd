"""Loads objects into raw days: claims them, reads them, sends their documents and accounts for every event.

The only room that puts the other rooms of the archive together.
"""
