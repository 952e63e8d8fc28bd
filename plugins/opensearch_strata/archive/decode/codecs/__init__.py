"""Compression and containers, each a module that takes blocks and gives blocks."""
