"""The real OpenSearch node behind the double."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import urllib3


class Double(float):
    """A double that remembers the node's text: Java's `Double.toString`, which goes into a row's `_id`."""

    text: str

    def __new__(cls, text: str) -> Double:
        """Parse a JSON number."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text


class NodeError(Exception):
    """The node answered a request of the double with an error.

    Attributes:
        status: HTTP status of the answer.
        body: Its JSON body.
    """

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"The node answered {status}: {json.dumps(body)[:500]}")
        self.status = status
        self.body = body


class Node:
    """HTTP to one node, for requests that are forwarded and for those the double makes itself."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        timeout = urllib3.Timeout(connect=5, read=600)
        self._pool = urllib3.PoolManager(maxsize=16, retries=False, timeout=timeout)

    def forward(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None
    ) -> urllib3.BaseHTTPResponse:
        """Send a request as it came (`target`: path and query); the answer's body is left encoded."""
        return self._pool.request(
            method, self.url + target, headers=headers, body=body, redirect=False, decode_content=False
        )

    def call(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        """Send JSON (bytes go as they are) and return the decoded answer.

        Raises:
            NodeError: The status was 400 or above, or 503 for no answer at all.
        """
        payload = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        target = f"{self.url}{path}" + (f"?{urlencode(params)}" if params else "")
        headers = {"content-type": "application/json"} if payload else None
        try:
            answer = self._pool.request(method, target, body=payload, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise NodeError(503, {"error": str(error), "status": 503}) from error
        decoded = json.loads(answer.data, parse_float=Double)
        if answer.status >= 400:
            raise NodeError(answer.status, decoded)
        return decoded

    def bulk(self, lines: list[dict[str, Any]]) -> Any:
        """Send action and source lines to `_bulk` and return the decoded answer, failed items included."""
        return self.call("POST", "/_bulk", "".join(json.dumps(line) + "\n" for line in lines).encode())

    def mappings(self, source: str) -> dict[str, dict[str, Any]]:
        """Mapping of every index that `source` (name, pattern or alias) stands for; empty without any."""
        lenient = {"ignore_unavailable": "true", "expand_wildcards": "open,closed"}
        found = self.call("GET", f"/{source}/_mapping", **lenient)
        return {index: entry["mappings"] for index, entry in found.items()}

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()
