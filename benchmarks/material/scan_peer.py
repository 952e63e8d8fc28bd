"""An export as people write it, with opensearch-py's `scan`, json, gzip and boto3.

It writes the same documents as Strata, to a temporary file that is then uploaded. It has no manifest and no proof, and
it does not notice documents that are missing: what it leaves out only makes it faster.
"""

from __future__ import annotations

import gzip
import json
from tempfile import NamedTemporaryFile
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.helpers import scan

LEVEL = 6
"""gzip's own default; Python's is 9, which would be slower."""
PAGE = 1000
"""The default of `scan`."""


def export_by_scan(client: OpenSearch, s3: Any, index: str, bucket: str, key: str) -> int:
    """Export an index to one object and return the number of documents.

    :param client: a plain client
    :param index: exact name
    :param key: of the object
    """
    documents = 0
    with NamedTemporaryFile(suffix=".ndjson.gz") as file:
        with gzip.open(file.name, "wt", compresslevel=LEVEL) as lines:
            for hit in scan(client, index=index, query={"query": {"match_all": {}}}, size=PAGE):
                lines.write(json.dumps({"_id": hit["_id"], "_source": hit["_source"]}) + "\n")
                documents += 1
        s3.upload_file(file.name, bucket, key)
    return documents
