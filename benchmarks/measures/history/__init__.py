"""What the history of raw days costs: to condense, to keep and to ask, and how exact its answers are."""
