"""The embedded Airflow: its environment, its database, its REST API and runs of its DAGs.

Knows nothing about what the DAGs do."""
