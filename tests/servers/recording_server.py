"""A real HTTP(S) server on 127.0.0.1 that answers as told and keeps what it was sent."""

from __future__ import annotations

import gzip
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

INFO = {"cluster_name": "docks", "version": {"distribution": "opensearch", "number": "3.4.0"}}


@dataclass(frozen=True)
class Answer:
    """Status, body (a dict is sent as JSON, text as plain text) and the seconds until it is sent."""

    status: int = 200
    body: Any = field(default_factory=lambda: INFO)
    after: float = 0.0


@dataclass(frozen=True)
class Sent:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        """The body, unpacked if it was sent so."""
        packed = self.headers.get("content-encoding") == "gzip"
        return json.loads(gzip.decompress(self.body) if packed else self.body)


@dataclass
class RecordingServer:
    """Where it listens and what it was sent."""

    port: int
    scheme: str
    sent: list[Sent] = field(default_factory=list)

    @property
    def url(self) -> str:
        """URL of the server by address."""
        return f"{self.scheme}://127.0.0.1:{self.port}"


@contextmanager
def serving(*answers: Answer, certificate: Path | None = None) -> Iterator[RecordingServer]:
    """Serve the answers in turn, the last for ever; over TLS if there is a certificate (see :func:`self_signed`)."""
    turn = list(answers or [Answer()])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            recorder.sent.append(Sent(self.command, self.path, headers, body))
            answer = turn.pop(0) if len(turn) > 1 else turn[0]
            time.sleep(answer.after)
            is_text = isinstance(answer.body, str)
            payload = answer.body.encode() if is_text else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            self.send_header("content-type", "text/plain" if is_text else "application/json")
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PUT = do_HEAD = _answer  # noqa: N815 - names that http.server calls

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that hangs up is what some tests ask for."""

    server = Server(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    recorder = RecordingServer(server.server_address[1], "https" if certificate else "http")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def self_signed(folder: Path, name: str = "localhost") -> Path:
    """A certificate for one DNS name that is its own authority; the key lies beside it as ``.key``."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    path.with_suffix(".key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path
