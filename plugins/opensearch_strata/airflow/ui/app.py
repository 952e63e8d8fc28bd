"""The pages: who may see what, what is asked, and which template shows it. GET only; nothing here changes anything."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from opensearch_strata.airflow.ui import rendering, sources
from opensearch_strata.airflow.ui.access import Reader, reader
from opensearch_strata.airflow.ui.answers import Answer, Answers
from opensearch_strata.airflow.ui.asking import (
    CurrentReader,
    ask,
    begin,
    known_definitions,
    overview_of,
    told_problems,
    wanted_dataset,
)
from opensearch_strata.airflow.ui.explore.views import explore, explore_csv
from opensearch_strata.airflow.ui.forms import forms_of, loading_forms_of
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.presentation.calendar import WEEKDAYS, years_of
from opensearch_strata.workflows.overview.kinds import MEANINGS, Cell
from opensearch_strata.workflows.overview.overview import Overview
from opensearch_strata.workflows.overview.tonight import tonight
from opensearch_strata.workflows.overview.verdict import verdict_of

_EXPLORED = 16  # answers of up to 80,000 records each
_WHY = {
    401: "You are not signed in to Airflow, or no longer. Sign in, then reload this page.",
    404: "There is no such page.",
    405: "Pages can only be read.",
    422: "This address names no day. Days look like 2013-03-02.",
}


def build_app(answers: Answers | None = None) -> FastAPI:
    """Build the app; every route, present or future, depends on a reader.

    :param answers: the questions under way; new ones by default
    """
    guards = [Depends(begin), Depends(reader)]
    app = FastAPI(dependencies=guards, redirect_slashes=False, openapi_url=None, docs_url=None, redoc_url=None)
    app.state.answers = answers or Answers()
    app.state.explored = Answers(app.state.answers.patience, most=_EXPLORED)
    app.add_exception_handler(StarletteHTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _refused)
    app.add_api_route("/", datasets, methods=["GET"])
    app.add_api_route("/datasets/{name}", coverage, methods=["GET"])
    app.add_api_route("/datasets/{name}/days/{day}", one_day, methods=["GET"])
    app.add_api_route("/datasets/{name}/explore", explore, methods=["GET"])
    app.add_api_route("/datasets/{name}/explore.csv", explore_csv, methods=["GET"])
    app.add_api_route("/datasets/{name}/loads", loads, methods=["GET"])
    app.add_api_route("/dags/{dag_id}", of_dag, methods=["GET"])
    app.add_api_route("/static/{name:path}", static, methods=["GET"])
    app.router.add_api_route("/{path:path}", nowhere, route_class_override=_WhateverElse)
    return app


class _WhateverElse(APIRoute):
    """The last route: it takes every path and every method that no other does, so that they are guarded, too."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:  # noqa: ARG002 - whatever it is
        """Match every request; the path is not looked at, because a line break in it matches no pattern."""
        return Match.FULL, {"endpoint": self.endpoint, "path_params": {"path": ""}, "route": self}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with what is guarded, whatever the method."""
        await self.app(scope, receive, send)


async def nowhere(request: Request) -> Response:
    """What is no page, or is not read.

    :raises HTTPException: 404 or 405
    """
    raise HTTPException(404 if request.method == "GET" else 405)


async def datasets(request: Request, caller: CurrentReader) -> Response:
    """One line for each dataset that the caller may see, the worst first; above, what is wrong with definitions."""
    known, problem = await known_definitions(request)
    broken = await told_problems(known, caller)
    readable = await run_in_threadpool(caller.readable, sorted(map(sources.dag_id_of, known.datasets)))
    visible = [one for name, one in known.datasets.items() if sources.dag_id_of(name) in readable]
    looked = await asyncio.gather(*(overview_of(request, one) for one in visible))
    lines = [_Line(dataset, answer) for dataset, answer in zip(visible, looked, strict=True)]
    lines.sort(key=lambda line: (line.rank, line.dataset.name))
    return rendering.page("datasets", "", lines=lines, broken=broken, problem=problem, now=datetime.now(UTC))


class _Line:
    """A dataset in the list: how it stands, or why that is not known."""

    def __init__(self, dataset: Dataset, answer: Answer) -> None:
        self.dataset, self.answer = dataset, answer
        self.overview: Overview | None = answer.value
        self.verdict = verdict_of(self.overview) if self.overview else None
        self.rank = self.verdict.rank if self.verdict else -1  # what cannot be looked at comes first


async def coverage(request: Request, name: str, caller: CurrentReader) -> Response:
    """The calendar of a dataset."""
    return await _coverage(request, name, caller, "../")


async def of_dag(request: Request, dag_id: str, caller: CurrentReader) -> Response:
    """The calendar of the dataset that a DAG is the daily cycle of: the tab on the page of the DAG."""
    await run_in_threadpool(caller.require, dag_id)
    known, _ = await known_definitions(request)
    name = dag_id.removesuffix(sources.CYCLE)
    is_cycle = dag_id == sources.dag_id_of(name)
    if not is_cycle or (name not in known.datasets and not await told_problems(known, caller, name)):
        told = "This DAG is not the daily cycle of a dataset, so it has no days of its own."
        return rendering.message("../", 200, "No dataset", told)
    return await _coverage(request, name, caller, "../")


async def one_day(request: Request, name: str, day: date, caller: CurrentReader) -> Response:
    """One day of a dataset in detail.

    :raises HTTPException: 403, 404, or 503 if the definitions could not be read
    """
    dataset = await wanted_dataset(request, name, caller)
    root = "../../../"
    seen = await overview_of(request, dataset)
    if seen.value is None:
        return rendering.message(root, 503, f"{name} cannot be looked at", seen.problem)
    overview: Overview = seen.value
    cell = overview.by_day.get(day)
    if cell is None:
        raise HTTPException(404, f"Nothing is known of {day}: {name} has no day before its first or after its last.")
    found = await ask(request, f"{name}\n{day}\n{overview.at}", dataset, partial(sources.one_day_of, overview, day))
    days = list(overview.by_day)
    place = days.index(day)
    return rendering.page(
        "day",
        root,
        dataset=dataset,
        cell=cell,
        meaning=MEANINGS[cell.kind],
        state=next(one for one in overview.inventory.days if one.day == day),
        found=found.value,
        problem=found.problem,
        forms=forms_of(dataset, cell),
        before=days[place - 1] if place else None,
        after=days[place + 1] if place + 1 < len(days) else None,
    )


async def loads(request: Request, name: str, caller: CurrentReader) -> Response:
    """What was loaded into a dataset, and what could not be."""
    dataset = await wanted_dataset(request, name, caller)
    root = "../../"
    seen, stands = await asyncio.gather(
        ask(request, f"loads\n{name}\n{dataset.fingerprint}", dataset, partial(sources.loads_of, dataset)),
        overview_of(request, dataset),
    )
    if seen.value is None:
        return rendering.message(root, 503, f"The loads of {name} cannot be looked at", seen.problem)
    return rendering.page(
        "loads",
        root,
        dataset=dataset,
        loads=seen.value,
        problem=seen.problem,
        queue=stands.value.queue if stands.value else None,
        forms=loading_forms_of(dataset),
    )


async def static(name: str, caller: CurrentReader) -> Response:  # noqa: ARG001 - only for who has signed in
    """A style sheet or a script of the pages.

    :raises HTTPException: 404
    """
    if name not in rendering.STATIC:
        raise HTTPException(404)
    media_type, path = rendering.STATIC[name]
    return Response(path.read_bytes(), media_type=media_type)


async def _coverage(request: Request, name: str, caller: Reader, root: str) -> Response:
    dataset = await wanted_dataset(request, name, caller)
    seen = await overview_of(request, dataset)
    if seen.value is None:
        return rendering.message(root, 503, f"{name} cannot be looked at", seen.problem)
    overview: Overview = seen.value
    days = _shown_days(overview)
    return rendering.page(
        "coverage",
        root,
        dataset=dataset,
        overview=overview,
        problem=seen.problem,
        age=seen.age,
        verdict=verdict_of(overview),
        years=years_of(days),
        has_today=isinstance(days.get(overview.today), str),
        weekdays=WEEKDAYS,
        legend=[(kind, meaning, n) for kind, meaning in MEANINGS.items() if (n := _number_of(overview, kind))],
        tonight=tonight(overview, datetime.now(UTC)),
    )


def _shown_days(overview: Overview) -> dict[date, Cell | str]:
    """What is shown of each day: of the one that goes on, a sentence, if its year has other days."""
    days: dict[date, Cell | str] = dict(overview.by_day)
    today = overview.today
    if any(day.year == today.year for day in days):
        days.setdefault(today, f"{today}, today: it is not over yet.")
    return days


def _number_of(overview: Overview, kind: str) -> int:
    return sum(cell.kind == kind for cell in overview.cells)


def _refused(request: Request, error: Exception) -> Response:
    """What was refused, as a page; the detail of an error is ours or Airflow's, and is escaped like everything."""
    status = getattr(error, "status_code", 422)
    detail: Any = getattr(error, "detail", "")
    phrase = HTTPStatus(status).phrase
    told = detail if isinstance(detail, str) and detail not in ("", phrase) and status != 401 else _WHY.get(status)
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    encoded = request.scope.get("raw_path", b"").lower().count(b"%2f")  # to a browser, these are no slashes
    answer = rendering.message("../" * max(0, path.count("/") - encoded - 1), status, phrase, told or phrase)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        answer.headers["Allow"] = "GET"
    return answer
