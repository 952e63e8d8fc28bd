"""The raw days that are loaded into: made, set up, registered, given back.

Knows indices; not the objects behind them.
"""
