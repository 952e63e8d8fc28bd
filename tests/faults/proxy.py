"""A proxy in front of a real OpenSearch (or S3) that lets requests go wrong as told.

>>> with FaultyProxy(node_url) as proxy:
...     proxy.add(refused(429, "opensearch_rejected_execution_exception"), path="_bulk", times=3)
...     client = OpenSearch(proxy.url)

A rule gets the request and a function that forwards it, and gives the answer: see `tests/faults/rules.py`.
"""

from __future__ import annotations

import gzip
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import orjson
import urllib3

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass(frozen=True)
class Request:
    """As it arrived; `body` without the compression of the request."""

    method: str
    target: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def path(self) -> str:
        """Without the query."""
        return urlsplit(self.target).path

    @property
    def actions(self) -> list[tuple[bytes, bytes]]:
        """The lines of a bulk request, two by two."""
        lines = self.body.splitlines(keepends=True)
        return list(zip(lines[::2], lines[1::2], strict=True))

    def of(self, actions: list[tuple[bytes, bytes]]) -> Request:
        """The same bulk request with other actions."""
        return replace(self, body=b"".join(line for action in actions for line in action))


@dataclass(frozen=True)
class Answer:
    """What goes back; only the first `cut` bytes of the body if that is set, then the connection breaks."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    cut: int | None = None

    @property
    def json(self) -> Any:
        """The body."""
        return orjson.loads(self.body)

    @classmethod
    def of_json(cls, status: int, body: object) -> Answer:
        """A JSON answer."""
        return cls(status, orjson.dumps(body))


class Cut(Exception):  # noqa: N818 - what is to happen
    """The connection breaks without an answer."""


Forward = Callable[[Request], Answer]
Rule = Callable[[Request, Forward], Answer]


@dataclass
class _Entry:
    rule: Rule
    path: str
    left: float


class FaultyProxy:
    """Use it as a context manager; clients connect to `.url`.

    Attributes:
        bulks: Documents of each bulk request that arrived.
        sizes: Bytes of each, without the compression of the request.
        most_at_once: Most bulk requests that were under way at the same time.
    """

    def __init__(self, target: str) -> None:
        self.bulks: list[int] = []
        self.sizes: list[int] = []
        self.most_at_once = 0
        self._at_once = 0
        self._target = target
        self._pool = urllib3.PoolManager(maxsize=20, retries=False)
        self._entries: list[_Entry] = []
        self._guard = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_away = False
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FaultyProxy:
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_away = True
        self._server.shutdown()
        self._server.server_close()
        self._pool.clear()

    def add(self, rule: Rule, path: str = "_bulk", times: float = float("inf")) -> None:
        """Apply a rule to the next `times` requests whose path ends like this. Later rules come first."""
        with self._guard:
            self._entries.insert(0, _Entry(rule, path, times))

    def clear(self) -> None:
        """Let everything through again."""
        with self._guard:
            self._entries.clear()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Be gone, as a server that was stopped: connections break, new ones too."""
        self._is_away = True
        with self._guard:
            for connection in self._open:
                reset(connection)
        yield
        self._is_away = False

    def respond(self, request: Request) -> Answer:
        """Answer one request."""
        if self._is_away:
            raise Cut
        is_bulk = request.path == "/_bulk"  # those of the ledger name their index
        with self._guard:
            if is_bulk:
                self.bulks.append(len(request.actions))
                self.sizes.append(len(request.body))
                self._at_once += 1
                self.most_at_once = max(self.most_at_once, self._at_once)
            rules = [entry.rule for entry in self._entries if self._takes(entry, request)]
        try:
            return self._through(rules, request)
        finally:
            with self._guard:
                self._at_once -= is_bulk

    @contextmanager
    def connected(self, connection: socket.socket) -> Iterator[None]:
        """Remember a connection for as long as it is open."""
        with self._guard:
            self._open.add(connection)
        try:
            yield
        finally:
            with self._guard:
                self._open.discard(connection)

    def _takes(self, entry: _Entry, request: Request) -> bool:
        applies = request.path.endswith(entry.path) and entry.left > 0
        entry.left -= applies
        return applies

    def _through(self, rules: list[Rule], request: Request) -> Answer:
        if not rules:
            return self._forward(request)
        return rules[0](request, lambda passed: self._through(rules[1:], passed))

    def _forward(self, request: Request) -> Answer:
        kept = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
        kept.pop("content-encoding", None)
        kept.pop("accept-encoding", None)
        try:
            answer = self._pool.request(
                request.method, self._target + request.target, body=request.body or None, headers=kept
            )
        except urllib3.exceptions.HTTPError as error:
            raise Cut from error
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
        return Answer(answer.status, answer.data, headers)


def reset(connection: socket.socket) -> None:
    """Break a connection at once, whatever is on its way."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: FaultyProxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy


class _Handler(BaseHTTPRequestHandler):
    """Keeps connections open, as clients with a pool expect."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        with self.server.proxy.connected(self.connection), suppress(OSError):
            super().handle()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        try:
            answer = self.server.proxy.respond(Request(self.command, self.path, headers, body))
        except Cut:
            self._break()
            return
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        length = answer.headers.get("content-length") if self.command == "HEAD" else None
        self.send_header("content-length", length or str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: answer.cut])
        if answer.cut is not None:
            self.wfile.flush()
            self._break()

    def _break(self) -> None:
        self.close_connection = True
        reset(self.connection)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the requests belong to the test, not to its output."""
