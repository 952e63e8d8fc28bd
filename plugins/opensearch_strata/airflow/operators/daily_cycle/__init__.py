"""Tasks of the daily cycle, one operator each."""
