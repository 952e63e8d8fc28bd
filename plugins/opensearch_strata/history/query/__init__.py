"""Answers one question from raw days and history together, as pages of a frame.

Reads only.
"""
