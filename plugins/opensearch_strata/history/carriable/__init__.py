"""Finds what no row could carry or no search sees of a raw day, before anything depends on it.

Reads only.
"""
