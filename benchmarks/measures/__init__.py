"""One module for each thing that is measured; the commands next to this folder combine them.

Prints nothing itself: it returns numbers and tables."""
