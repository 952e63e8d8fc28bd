"""A backfill step by step: plan, prepare, load, prove, and what becomes of the days then."""
