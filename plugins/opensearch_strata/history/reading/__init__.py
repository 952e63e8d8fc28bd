"""One answer from two sources: raw days and their history."""
