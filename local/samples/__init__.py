"""The flights of 2013, the demonstration that uses them, and archives of them as AWS would have written them.

Starts nothing itself: it is given a stack or a client."""
