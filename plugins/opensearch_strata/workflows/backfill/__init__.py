"""The steps of a backfill: plan, prepare, load, prove, and settle what becomes of the days afterwards."""
