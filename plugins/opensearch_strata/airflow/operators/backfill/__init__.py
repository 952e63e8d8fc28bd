"""The steps of ``archive_backfill``, from archives in S3 to raw days."""
