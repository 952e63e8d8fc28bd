"""Strata: sliding window, history and archives for daily OpenSearch indices."""
