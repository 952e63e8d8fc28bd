"""Results as tables, for logs and terminals.

Takes values; asks nothing of a cluster.
"""
