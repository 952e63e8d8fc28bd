"""A dataset file drafted from an existing index: what the index shows, what is chosen, and the YAML with the reasons.

``observe`` queries the server; ``choose`` and ``text`` are pure.
"""
