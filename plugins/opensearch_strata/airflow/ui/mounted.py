"""The pages as Airflow mounts them: built when somebody asks first, and closed if they cannot be built."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from threading import Lock
from typing import Any

_log = logging.getLogger(__name__)

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[_Scope, _Receive, _Send], Awaitable[None]]


class Pages:
    """An ASGI app that builds the pages on their first request.

    Every process of Airflow imports plugins, and only the API server shows pages; so nothing of them, and nothing of
    FastAPI, is imported before. Every answer, of whatever status, has the headers of :data:`rendering.HEADERS`.

    :param build: builds the app; by default, that of :mod:`opensearch_strata.airflow.ui.app`
    """

    def __init__(self, build: Callable[[], App] | None = None) -> None:
        self._build = build or _built
        self._app: App | None = None
        self._lock = Lock()

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        with self._lock:
            if self._app is None:
                try:
                    self._app = self._build()
                except Exception:  # noqa: BLE001 - whatever it is, the pages stay closed
                    # An Airflow without a name that access.py needs: nothing may be served that nobody guards.
                    _log.exception("the pages of strata cannot be shown")
                    self._app = _closed
        await self._app(scope, receive, _with_headers(send))


def _built() -> App:
    from opensearch_strata.airflow.ui.app import build_app

    return build_app()


def _with_headers(send: _Send) -> _Send:
    from opensearch_strata.airflow.ui.rendering import HEADERS

    ours = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *ours]
        await send(message)

    return sending


async def _closed(scope: _Scope, receive: _Receive, send: _Send) -> None:  # noqa: ARG001 - an ASGI app
    told = b"The pages of Strata do not fit this Airflow; the log of the API server says why."
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": told})
