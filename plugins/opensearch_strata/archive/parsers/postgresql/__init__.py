"""Logs of PostgreSQL."""
