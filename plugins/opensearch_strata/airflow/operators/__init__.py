"""Airflow operators: they validate, call a service, log a table and return a small dict."""
