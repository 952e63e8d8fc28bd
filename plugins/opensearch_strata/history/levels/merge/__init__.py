"""Rows of a level, merged by the server: in which pieces of time, by which definition."""
