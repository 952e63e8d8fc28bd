"""What it costs to load objects from S3: by a backfill, and as a queue tells of them."""
