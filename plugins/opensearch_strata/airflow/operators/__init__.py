"""Airflow operators: validate, call a service, log a table, return a small dict."""
