"""Airflow triggers, which wait without occupying a worker."""
