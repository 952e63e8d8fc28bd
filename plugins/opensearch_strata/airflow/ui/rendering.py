"""Values in, HTML out: whatever comes from a definition, a cluster, a bucket or a log is data and is escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from opensearch_strata.errors.amounts import counted, size
from opensearch_strata.errors.printable import printable
from opensearch_strata.presentation.redacted import redacted

_HERE = Path(__file__).parent

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""With every answer. Pages are framed by Airflow's UI, which is of the same origin, and by nobody else."""

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

STATIC = {
    path.relative_to(_HERE / "static").as_posix(): (_TYPES[path.suffix], path)
    for path in sorted((_HERE / "static").rglob("*"))
    if path.suffix in _TYPES
}
"""The files that pages load: name -> media type and place."""


@cache
def _templates() -> Environment:
    found = Environment(
        autoescape=True,
        loader=FileSystemLoader(_HERE / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    found.filters.update(size=size, counted=counted, redacted=redacted, number=lambda value: f"{value:,}")
    return found


def page(template: str, root: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a page.

    :param template: its name, without ``.html``
    :param root: how the root of the pages is reached from this one, such as ``../``; relative, so that a base path and
        a proxy make no difference
    :param status: of the answer
    :param values: what the template shows
    """
    text = _templates().get_template(f"{template}.html").render(root=root, airflow=f"{root}../", **values)
    return HTMLResponse(text, status)


def message(root: str, status: int, title: str, sentence: str) -> HTMLResponse:
    """Render a page that says one thing.

    :param root: see :func:`page`
    :param status: of the answer
    :param title: a few words
    :param sentence: what is so, and what to do
    """
    return page("message", root, status, title=title, sentence=sentence)
