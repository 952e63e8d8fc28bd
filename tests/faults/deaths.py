"""Processes that die at a request."""

from __future__ import annotations

import os
import signal
from threading import Lock
from typing import Any

from opensearchpy import OpenSearch


def die_after(last: int, client: OpenSearch, *services: Any) -> None:
    """Let this process send so many requests; at the next one, it dies by SIGKILL.

    :param client: whose requests count
    :param services: clients of boto3 whose requests count as well
    """
    transport: Any = client.transport
    real, guard, sent = transport.perform_request, Lock(), 0

    def count(**_: Any) -> None:
        nonlocal sent
        with guard:
            sent += 1
            if sent > last:
                os.kill(os.getpid(), signal.SIGKILL)

    def perform(method: str, path: str, **options: Any) -> Any:
        count()
        return real(method, path, **options)

    transport.perform_request = perform
    for service in services:
        service.meta.events.register("before-send", count)
