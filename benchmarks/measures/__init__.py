"""One module for each thing that is measured; the commands beside this folder put them together.

Prints nothing itself: it returns numbers and tables."""
