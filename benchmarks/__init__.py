"""Measurements that anybody can repeat; see README.md next to this file."""
