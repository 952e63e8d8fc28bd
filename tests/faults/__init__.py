"""What goes wrong on the way from S3 to OpenSearch, injected for real: a proxy, kills, blocks, damaged objects."""
