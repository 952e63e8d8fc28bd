"""What leaves this repository: a release, and the folder that managed Airflow takes.

Needs no stack and starts none."""
