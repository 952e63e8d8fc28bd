"""What a person writes about a dataset, and what follows from it by computation alone.

DAG files import it, so it is quick to import; it knows no network, and reads files only to find the definitions.
"""
