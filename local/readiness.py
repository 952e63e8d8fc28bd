"""Waits until a service on 127.0.0.1 answers as it should."""

from __future__ import annotations

import time
from collections.abc import Callable

import requests

HEALTH_OF_OPENSEARCH = "/_cluster/health?wait_for_status=yellow&timeout=1s"
HEALTH_OF_AIRFLOW = "/api/v2/monitor/health"


class NotReadyError(Exception):
    """The service died, or did not become ready in time."""


def wait_until_ready(
    url: str, alive: Callable[[], bool], within: float, ready: Callable[[requests.Response], bool]
) -> None:
    """Poll `url` until `ready(response)`. Raises NotReadyError if `alive()` is false, or after `within` seconds."""
    deadline = time.monotonic() + within
    with requests.Session() as session:
        session.trust_env = False  # there is no proxy between us and 127.0.0.1
        while time.monotonic() < deadline:
            if not alive():
                raise NotReadyError("died while starting")
            try:
                if ready(session.get(url, timeout=5)):
                    return
            except requests.RequestException:
                pass  # not listening yet
            time.sleep(0.1)
    raise NotReadyError(f"was not ready after {within:.0f} s")


def answered(response: requests.Response) -> bool:
    """Whether the service answers with status 200."""
    return response.status_code == 200


def all_parts_healthy(response: requests.Response) -> bool:
    """Whether Airflow's health page reports its database, scheduler, triggerer and DAG processor as healthy."""
    return response.status_code == 200 and all(part["status"] == "healthy" for part in response.json().values())
