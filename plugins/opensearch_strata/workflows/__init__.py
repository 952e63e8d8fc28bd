"""Sequences over history and archive that a task or a command starts.

The only room in which history and archive meet; knows no Airflow and no terminal.
"""
