"""What a load will do, before it does anything: which objects, how much, how long.

Reads only.
"""
