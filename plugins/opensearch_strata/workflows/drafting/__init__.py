"""A dataset file drafted from an index that is there: what the index shows, what is chosen, and the YAML that says why.

``observe`` asks the server; ``choose`` and ``text`` are pure.
"""
