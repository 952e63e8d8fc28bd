"""A raw day read out of OpenSearch, in pages of about the same size, in two ways that know nothing of each other."""
