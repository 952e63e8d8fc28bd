"""The raw days that are loaded into: created, registered, set up for loading and restored.

Knows indices, but not the objects that they are loaded from.
"""
