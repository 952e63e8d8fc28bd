"""Archives in S3 back to raw days: plan, load, prove, and what becomes of the days then."""
