"""Clients for OpenSearch: how requests are signed, repeated and made decisive, and which settings keep an index safe.

Knows no dataset and no meaning of what is asked.
"""
