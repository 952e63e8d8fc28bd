"""One question answered from raw days and history together, as pages of a frame.

Reads only.
"""
