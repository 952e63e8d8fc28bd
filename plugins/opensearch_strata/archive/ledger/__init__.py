"""What is known about every object and raw day: whether it is loaded or being loaded, by whom and how far.

Knows only its own index.
"""
