"""Compression and containers: one module for each, which takes blocks and yields blocks."""
