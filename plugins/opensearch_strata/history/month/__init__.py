"""The month index: its mapping, its rows by id and by day, its marks, and whether it would outlive its raw days.

Knows rows as they are stored; never reads raw documents.
"""
