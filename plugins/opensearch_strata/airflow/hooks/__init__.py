"""Hooks that turn Airflow connections into clients."""
