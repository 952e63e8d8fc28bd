"""Results as tables, for logs and terminals.

Takes values; never queries a cluster.
"""
