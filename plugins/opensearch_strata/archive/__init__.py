"""Log archives in S3, back into raw days: read whatever is there, plan, load, prove."""
