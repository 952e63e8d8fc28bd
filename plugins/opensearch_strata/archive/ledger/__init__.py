"""What is known of every object and raw day: loaded, being loaded, by whom, how far.

Knows its own index alone.
"""
