"""`make bench-lambda`: the Firehose function compared with the one that people copy, as both run in AWS Lambda."""
