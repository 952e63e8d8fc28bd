"""The steps of ``archive_backfill``: archives in S3 to raw days."""
