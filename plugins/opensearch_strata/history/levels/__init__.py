"""Levels: further rows, merged from the proven base rows of a day or a month, compared with them and noted.

Knows base rows and their marks, never raw documents: what it writes can always be built again.
"""
