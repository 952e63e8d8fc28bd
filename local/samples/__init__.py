"""The flights of 2013 and what the demonstration shows with them, and archives of them as AWS would have left them.

Starts nothing itself: it is given a stack or a client."""
