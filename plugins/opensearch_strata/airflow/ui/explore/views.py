"""The page that draws a dataset's past, and its file."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from functools import partial

from fastapi import HTTPException, Request, Response
from markupsafe import Markup

from opensearch_strata.airflow.ui import rendering, sources
from opensearch_strata.airflow.ui.answers import Answer, Answers
from opensearch_strata.airflow.ui.asking import CurrentReader, lane_of, overview_of, wanted_dataset
from opensearch_strata.airflow.ui.explore.answered import Answered
from opensearch_strata.airflow.ui.explore.asked import (
    Asked,
    asked_of,
    drawable,
    intervals_of,
    python_lines,
    shell_lines,
    undrawn,
)
from opensearch_strata.airflow.ui.explore.table import as_csv, as_text
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import newest_complete
from opensearch_strata.errors import Refused

_ROOT = "../../"


async def explore(request: Request, name: str, caller: CurrentReader) -> Response:
    """Charts of a dataset's metrics."""
    dataset = await wanted_dataset(request, name, caller)
    asked, problem = None, ""
    try:
        asked = asked_of(dataset, request.query_params.multi_items(), await _newest(request, dataset))
    except Refused as refused:
        problem = str(refused)
    found = await _answer(request, dataset, asked) if asked else Answer(problem=problem)
    answered: Answered | None = found.value
    today = datetime.now(UTC).date()
    return rendering.page(
        "explore",
        _ROOT,
        dataset=dataset,
        metrics=drawable(dataset),
        undrawn=undrawn(dataset),
        intervals=intervals_of(dataset, asked.first if asked else today, asked.last if asked else today),
        asked=asked,
        problem=found.problem,
        answered=answered,
        table=as_text(answered) if answered else [],
        data=_for_script(answered.as_json(dataset.time_zone)) if answered else "",
        shell=shell_lines(dataset, asked) if asked else [],
        python=python_lines(dataset, asked) if asked else [],
    )


async def explore_csv(request: Request, name: str, caller: CurrentReader) -> Response:
    """The same as a file.

    :raises HTTPException: 403, 404, 422 if it cannot be asked, or 503 if there is no answer
    """
    dataset = await wanted_dataset(request, name, caller)
    try:
        asked = asked_of(dataset, request.query_params.multi_items(), await _newest(request, dataset))
    except Refused as refused:
        raise HTTPException(422, str(refused)) from None
    found = await _answer(request, dataset, asked)
    if found.value is None:
        raise HTTPException(503, found.problem)
    headers = {"Content-Disposition": f'attachment; filename="{dataset.name}.csv"'}
    return Response(as_csv(found.value), media_type="text/csv; charset=utf-8", headers=headers)


async def _newest(request: Request, dataset: Dataset) -> date:
    """The newest day with data, so that a page without a question shows something; any day if the question says it."""
    if request.query_params.get("to", "").strip():
        return date.max
    seen = await overview_of(request, dataset)
    days = [cell.day for cell in seen.value.cells if cell.documents or cell.rows] if seen.value else []
    return days[-1] if days else newest_complete(datetime.now(UTC), dataset.zone)


async def _answer(request: Request, dataset: Dataset, asked: Asked) -> Answer:
    key = f"explore\n{dataset.name}\n{dataset.fingerprint}\n{asked.address}"
    explored: Answers = request.app.state.explored
    return await explored.ask(key, partial(sources.answer_of, dataset, asked), lane_of(dataset), request.state.until)


def _for_script(value: object) -> Markup:
    """JSON for an element of a page: nothing in it can end the element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
