"""The embedded stack: OpenSearch, an S3 and SQS emulator, and Airflow on one machine, from Python packages alone."""
