"""Functions that run in AWS Lambda: they wire parsers and formats of the archive to what AWS calls.

Everything here, and all that it imports, needs only the standard library and boto3 (`make lambda`). Knows neither
OpenSearch nor datasets.
"""
