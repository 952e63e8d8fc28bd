"""The embedded Airflow: its environment, its database, its REST API and runs of its DAGs.

Knows nothing of what the DAGs do."""
