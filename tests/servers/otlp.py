"""A receiver of metrics: OpenTelemetry's protocol (OTLP) over HTTP, as a collector listens for it."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest


@dataclass(frozen=True)
class Measured:
    """One point of a metric.

    :param kind: ``sum`` for counters, ``gauge``, ``exponential_histogram`` for times
    :param value: of a histogram, the sum of what was recorded
    """

    name: str
    kind: str
    tags: tuple[tuple[str, str], ...]
    value: float


class MetricsReceiver:
    """Keeps every point that it is sent. A sender sends each again and again, with the latest value."""

    def __init__(self) -> None:
        self._received: list[Measured] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver._received += _points(ExportMetricsServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self._server.server_address[1])

    def latest(self, prefix: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], Measured]:
        """The last point of each metric whose name begins so, by name and tags."""
        return {(one.name, one.tags): one for one in self._received if one.name.startswith(prefix)}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _points(request: ExportMetricsServiceRequest) -> Iterator[Measured]:
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                for point in getattr(metric, kind).data_points:
                    tags = tuple(sorted((one.key, one.value.string_value) for one in point.attributes))
                    value = point.sum if "histogram" in kind else point.as_double or point.as_int
                    yield Measured(metric.name, kind, tags, value)
