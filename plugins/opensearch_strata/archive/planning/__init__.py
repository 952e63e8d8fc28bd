"""Plans a load before anything is loaded: which objects, how much, and how long it will take.

Only reads.
"""
