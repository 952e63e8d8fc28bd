"""What this repository ships: a release, and the folder for managed Airflow.

Needs no stack and starts none."""
