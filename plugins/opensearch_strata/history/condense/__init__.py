"""Condenses a raw day to rows, without ever making the history poorer.

Writes rows; `history.verify` decides whether they are right.
"""
