"""What a person writes about a dataset, and everything that can be computed from it.

DAG files import this package, so it is quick to import. It uses no network and reads files only to find the
definitions.
"""
