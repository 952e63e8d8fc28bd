"""Workflows over history and archive, as a task or a command starts them.

The only room in which history and archive meet. It knows neither Airflow nor terminals.
"""
