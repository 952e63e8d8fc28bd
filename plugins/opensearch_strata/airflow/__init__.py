"""Operators, hooks, triggers and links: the shell in which Airflow runs the workflows.

The only room that imports Airflow.
"""
