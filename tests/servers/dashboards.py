"""A stand-in for the import of OpenSearch Dashboards, which is in no package registry.

It refuses what ``src/core/server/saved_objects/routes/import.ts`` and ``src/core/server/http/lifecycle_handlers.ts``
(the header against forged requests) of OpenSearch Dashboards 3.x refuse, and keeps what it was sent by type and id.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

BASE = "/_dashboards"


@dataclass
class DashboardsStandIn:
    """Where it listens, and the saved objects that it has.

    :param port: on 127.0.0.1
    :param objects: (type, id) -> saved object
    :param headers: of each request, names in lower case
    :param broken: id of an object that is refused, as when its migration fails
    """

    port: int
    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    headers: list[dict[str, str]] = field(default_factory=list)
    broken: str = ""

    @property
    def url(self) -> str:
        """Its URL with the base path."""
        return f"http://127.0.0.1:{self.port}{BASE}"

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and answer of a request."""
        self.headers.append(headers)
        parts = urlsplit(path)
        if parts.path != f"{BASE}/api/saved_objects/_import":
            return 404, _refusal(404, "Not Found")
        if "osd-xsrf" not in headers:
            return 400, _refusal(400, "Request must contain a osd-xsrf header.")
        if not headers["content-type"].startswith("multipart/form-data"):
            return 415, _refusal(415, "Unsupported Media Type")
        query = parse_qs(parts.query, strict_parsing=True)
        if unknown := query.keys() - {"overwrite", "createNewCopies", "workspaces"}:
            return 400, _refusal(400, f"[request query.{unknown.pop()}]: definition for this key is missing")
        file = _file(headers["content-type"], body)
        if not (file.get_filename() or "").endswith(".ndjson"):
            return 400, _refusal(400, "Invalid file extension")
        content = file.get_payload(decode=True)
        assert isinstance(content, bytes)
        return 200, self._imported([json.loads(line) for line in content.decode().splitlines()], query)

    def _imported(self, objects: list[dict[str, Any]], query: dict[str, list[str]]) -> dict[str, Any]:
        keys = [(one["type"], one["id"]) for one in objects]
        assert len(set(keys)) == len(keys), "Non-unique import objects detected"
        errors = []
        for key, one in zip(keys, objects, strict=True):
            missing = [
                {"type": other["type"], "id": other["id"]}
                for other in one["references"]
                if (other["type"], other["id"]) not in {*keys, *self.objects}
            ]
            if missing:
                error: dict[str, Any] = {"type": "missing_references", "references": missing}
            elif key in self.objects and query.get("overwrite") != ["true"]:
                error = {"type": "conflict"}
            elif one["id"] == self.broken:
                error = {"type": "unknown", "message": "\x1b[31mno", "statusCode": 500}
            else:
                self.objects[key] = one
                continue
            errors.append({"type": key[0], "id": key[1], "error": error, "meta": {}})
        return {
            "success": not errors,
            "successCount": len(objects) - len(errors),
            **({"errors": errors} if errors else {}),
        }


def _file(content_type: str, body: bytes) -> Message:
    """The part ``file`` of a form."""
    head = f"content-type: {content_type}\r\n\r\n".encode()
    form = BytesParser(_class=EmailMessage, policy=HTTP).parsebytes(head + body)
    assert not form.defects
    (file,) = form.iter_parts()
    assert file.get_param("name", header="content-disposition") == "file"
    return file


def _refusal(status: int, message: str) -> dict[str, Any]:
    return {"statusCode": status, "error": "refused", "message": message}


@contextmanager
def dashboards() -> Iterator[DashboardsStandIn]:
    """Serve the stand-in."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer = stand_in.answer(self.path, headers, body)
            payload = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json; charset=utf-8")
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stand_in = DashboardsStandIn(server.server_address[1])
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
