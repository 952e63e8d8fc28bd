"""A proxy in front of S3 whose connections break off after so many bytes of an answer."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from threading import Thread
from urllib.parse import urlsplit

import boto3
from botocore.config import Config


@dataclass
class CuttingProxy:
    """Where it listens, and how many connections it took."""

    url: str
    connections: count[int] = field(default_factory=count)


@contextmanager
def cutting(target: str, *cuts: int | None) -> Iterator[CuttingProxy]:
    """Forward to ``target``; the n-th connection breaks off after ``cuts[n]`` bytes of answers.

    :param cuts: None forwards all; the last counts for all further connections
    """
    parts = urlsplit(target)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = CuttingProxy(f"http://127.0.0.1:{listener.getsockname()[1]}")

        def accept() -> None:
            with suppress(OSError):  # the listener is closed at the end
                while True:
                    client, _ = listener.accept()
                    allowed = cuts[min(next(proxy.connections), len(cuts) - 1)]
                    server = socket.create_connection((parts.hostname, parts.port))
                    Thread(target=_pump, args=(client, server, None), daemon=True).start()
                    Thread(target=_pump, args=(server, client, allowed), daemon=True).start()

        Thread(target=accept, daemon=True).start()
        yield proxy


def impatient_s3(url: str) -> object:
    """A client that tries once, so that a test sees each failure."""
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    return boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", config=config, aws_access_key_id="a", aws_secret_access_key="b"
    )


def _pump(source: socket.socket, sink: socket.socket, allowed: int | None) -> None:
    with suppress(OSError):
        while block := source.recv(65536 if allowed is None else min(65536, allowed) or 1):
            if allowed is not None:
                block, allowed = block[:allowed], allowed - len(block[:allowed])
            sink.sendall(block)
            if allowed == 0:
                break
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
