"""Connections of Airflow turned into clients."""
