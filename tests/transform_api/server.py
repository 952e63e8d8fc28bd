"""The proxy: answers `/_plugins/_transform` itself, forwards everything else to the node as it came."""

from __future__ import annotations

import gzip
import json
import threading
import time
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import urllib3

from tests.transform_api.composite import NullResultError, preview_row, search_page
from tests.transform_api.definition import mapping_issues, parse
from tests.transform_api.documents import ApiError
from tests.transform_api.faults import Faults
from tests.transform_api.jobs import JobStore, now_millis
from tests.transform_api.node import Node, NodeError
from tests.transform_api.runs import JobThread

PREFIX = "/_plugins/_transform"
PREVIEW_BUCKETS = 10
LOCK_MINUTES = 30
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}
REFUSALS = {
    409: ("version_conflict_engine_exception", "version conflict, required seqNo [8], current document has seqNo [9]"),
    429: ("opensearch_rejected_execution_exception", "rejected execution of coordinating operation"),
    503: ("cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/2/no cluster-manager];"),
}


class TransformApi:
    """A node with the transform API. Use it as a context manager; clients connect to `.url`.

    Args:
        node_url: The real node, such as `http://127.0.0.1:9200`.
        minute: Real seconds that a minute of a job's schedule lasts. `start_time` stays wall clock.
        refresh_interval: Real seconds until `_explain` sees what the plugin writes without a refresh. A real
            node takes 1 s; the default is 1 s scaled like `minute`.

    Attributes:
        url: Where clients connect to.
        faults: The switches for what is to go wrong.
        closed: Set at the end; connections that clients still hold open get no more answers.
    """

    def __init__(self, node_url: str, minute: float = 1.0, refresh_interval: float | None = None) -> None:
        self.faults = Faults()
        self.closed = threading.Event()
        self._node = Node(node_url)
        self._minute = minute
        refresh = minute / 60 if refresh_interval is None else refresh_interval
        self._store = JobStore(refresh, lock_seconds=LOCK_MINUTES * minute)
        self._threads: list[JobThread] = []
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> TransformApi:
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.close()
        self._node.close()

    def respond(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Response:
        """Answer one request, `target` being path and query."""
        url = urlsplit(target)
        time.sleep(self.faults.latency)
        refusal = self.faults.next_refusal(url.path)
        if refusal:
            kind, reason = REFUSALS[refusal]
            return Response.of_json(refusal, ApiError(refusal, reason, kind).body)
        if url.path == PREFIX or url.path.startswith(f"{PREFIX}/"):
            return self._transform(method, url.path, url.query, _decoded(headers, body))
        if url.path == "/_cat/plugins":
            return self._with_plugin(self._forward(method, target, _unencoded(headers), body), url.query)
        return self._forward(method, target, headers, body)

    def _forward(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Response:
        passed = {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}
        try:
            answer = self._node.forward(method, target, passed, body or None)
        except urllib3.exceptions.HTTPError as error:
            return Response.of_json(502, ApiError(502, f"The node did not answer: {error}").body)
        length = answer.headers.get("content-length", "0") if method == "HEAD" else None
        kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP]
        return Response(answer.status, kept, answer.data, length)

    def _transform(self, method: str, path: str, query: str, body: bytes) -> Response:
        parts = [unquote(part) for part in path.removeprefix(PREFIX).strip("/").split("/")]
        options = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
        try:
            return Response.of_json(*self._route(method, parts, options, body))
        except (ApiError, NodeError) as error:
            return Response.of_json(error.status, error.body)

    def _route(self, method: str, parts: list[str], options: dict[str, str], body: bytes) -> tuple[int, Any]:
        store = self._store
        match ("GET" if method == "HEAD" else method), parts:
            case "POST", ["_preview"]:
                return 200, {"documents": self._preview(self._sent(body))}
            case "PUT", [job_id] if "if_seq_no" not in options:
                return 201, self._create(job_id, self._sent(body))
            case "GET", [job_id] if job_id:
                return 200, store.answer(store.get(job_id))
            case "GET", [ids, "_explain"]:
                return 200, store.explain(ids.split(","))
            case "POST", [job_id, "_start" | "_stop" as action]:
                (store.start if action == "_start" else store.stop)(job_id)
                return 200, {"acknowledged": True}
            case "DELETE", [ids]:
                begin = time.monotonic()
                items = store.delete(ids.split(","), options.get("force", "false") != "false")
                return 200, {"took": int((time.monotonic() - begin) * 1000), "errors": False, "items": items}
        raise ApiError(501, f"The test double does not know {method} {PREFIX}/{'/'.join(parts)} {options}.")

    def _create(self, job_id: str, sent: dict[str, Any]) -> dict[str, Any]:
        document = self._parsed(job_id, sent)
        self._store.exists = True
        self._check_mappings(document)
        job = self._store.create(document)
        answer = self._store.answer(job)
        thread = JobThread(job, self._store, self._node, self.faults, self._minute)
        self._threads.append(thread)
        thread.start()
        return answer

    def _preview(self, sent: dict[str, Any]) -> list[dict[str, Any]]:
        document = self._parsed("preview", sent)
        self._check_mappings(document)
        try:
            page = search_page(self._node, document, None, PREVIEW_BUCKETS)
        except NullResultError:
            raise ApiError(500, "Failed to parse the transformed results") from None
        return [preview_row(source) for _, source in page.rows]

    def _sent(self, body: bytes) -> dict[str, Any]:
        try:
            (transform,) = json.loads(body).values()
        except json.JSONDecodeError:
            # the node words what is wrong with it as the plugin's own parser does
            self._node.call("POST", "/_search", body)
            raise
        return dict(transform)

    def _parsed(self, job_id: str, sent: dict[str, Any]) -> dict[str, Any]:
        interval = sent.get("schedule", {}).get("interval")
        if sent.get("continuous") or ("schedule" in sent and not interval):
            raise ApiError(501, "The test double runs jobs once, by an interval schedule.")
        return parse(job_id, sent, now_millis())

    def _check_mappings(self, document: dict[str, Any]) -> None:
        mappings = self._node.mappings(document["source_index"])
        issues = mapping_issues(document["groups"], mappings)
        if issues:
            raise ApiError(400 if mappings else 404, " ".join(issues))

    def _with_plugin(self, response: Response, query: str) -> Response:
        node = self._node.call("GET", "/")
        row = {
            "name": node["name"],
            "component": "opensearch-index-management",
            "version": f"{node['version']['number']}.0",
        }
        if row["component"].encode() in response.body:
            return response
        columns = parse_qs(query).get("h", [",".join(row)])[0].split(",")
        shown = {column: row[column] for column in columns if column in row}
        if response.is_json:
            return Response.of_json(200, [*json.loads(response.body), shown])
        return replace(response, body=response.body + (" ".join(shown.values()) + "\n").encode())


@dataclass(frozen=True)
class Response:
    """What goes back to the client; `length` only where it is not the body's, in the answer to HEAD."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    length: str | None = None

    @classmethod
    def of_json(cls, status: int, body: Any) -> Response:
        """A JSON answer."""
        return cls(status, [("content-type", "application/json; charset=UTF-8")], json.dumps(body).encode())

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON by its content type."""
        return any(name.lower() == "content-type" and "json" in value for name, value in self.headers)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: TransformApi) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = api


class _Handler(BaseHTTPRequestHandler):
    """Keeps connections open, as clients with a pool expect."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        if self.server.api.closed.is_set():
            self.close_connection = True
            return
        if "transfer-encoding" in self.headers:
            self.send_error(411, "The test double reads requests with a content-length only")
            return
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        response = self.server.api.respond(self.command, self.path, dict(self.headers.items()), body)
        self.send_response_only(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        self.send_header("content-length", response.length or str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _serve  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the requests belong to the test, not to its output."""


def _unencoded(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() != "accept-encoding"}


def _decoded(headers: dict[str, str], body: bytes) -> bytes:
    encoding = next((value for name, value in headers.items() if name.lower() == "content-encoding"), "")
    return gzip.decompress(body) if encoding == "gzip" else body
