"""The embedded stack: OpenSearch, S3 and SQS emulator and Airflow on one machine, from Python packages alone."""
