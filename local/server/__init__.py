"""Runs one real OpenSearch node, or several as a cluster: jars from the registry, Java, configuration, process.

Knows nothing about Airflow, S3 or sample data."""
