"""Formats in which AWS's services deliver logs to buckets, other than lines and JSON: CloudTrail's arrays, Parquet."""
