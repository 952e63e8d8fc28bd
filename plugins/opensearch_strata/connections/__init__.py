"""Clients for OpenSearch: signed, retried and decisive requests, and the settings that keep an index safe.

Knows neither datasets nor the meaning of a request.
"""
