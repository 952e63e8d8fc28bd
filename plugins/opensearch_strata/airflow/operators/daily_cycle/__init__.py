"""The tasks of the daily cycle, one operator for each."""
