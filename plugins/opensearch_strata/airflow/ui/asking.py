"""What every page begins with: who asks, for which dataset, and what is known of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.concurrency import run_in_threadpool

from opensearch_strata.airflow.ui import sources
from opensearch_strata.airflow.ui.access import Reader, reader
from opensearch_strata.airflow.ui.answers import Answer, Answers
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.files import Definitions
from opensearch_strata.errors.printable import brief

_FILE = re.compile(r"([^\s:,'\"()/]+)\.ya?ml\b")

CurrentReader = Annotated[Reader, Depends(reader)]


async def begin(request: Request) -> None:
    """Note until when a request must be answered: all its questions together are waited for no longer."""
    answers: Answers = request.app.state.answers
    request.state.until = answers.deadline()


async def ask(request: Request, key: str, dataset: Dataset, question: Callable[[], Any]) -> Answer:
    """Ask a cluster within the time that the request has left.

    :param key: equal keys are the same question
    :param dataset: whose cluster is asked
    :param question: is called in a thread
    """
    answers: Answers = request.app.state.answers
    return await answers.ask(key, question, lane_of(dataset), request.state.until)


async def known_definitions(request: Request) -> tuple[Definitions, str]:
    """The definitions, and a sentence if they are old ones.

    :raises HTTPException: 503, they could not be read, or not in time
    """
    answers: Answers = request.app.state.answers
    found = await answers.ask("definitions", sources.definitions, "definitions", request.state.until)
    if found.value is None:
        raise HTTPException(503, f"The definitions of the datasets could not be read. {found.problem}")
    return found.value, found.problem


def files_in(problem: str) -> set[str]:
    """Names, without their endings, of the files that a problem of the definitions is about: those of the datasets.

    :param problem: begins with the name of a file, unless it is about the folder
    """
    head = problem.partition(": ")[0]
    return {*_FILE.findall(problem), *([Path(head).stem] if _FILE.search(head) else [])}


async def told_problems(known: Definitions, caller: Reader, name: str = "") -> list[str]:
    """What is wrong with definitions, as sentences for a page. Each is told to whoever may read the DAGs of all
    datasets that it names.

    :param known: the definitions, with their problems
    :param name: only what is wrong with the file of this dataset; with all files by default
    """
    files = {sentence: files_in(sentence) for sentence in known.problems}
    dags = {
        sentence: {*map(sources.dag_id_of, names)} for sentence, names in files.items() if not name or name in names
    }
    readable = await run_in_threadpool(caller.readable, sorted(set[str]().union(*dags.values())))
    return [f"{brief(sentence)}." for sentence, those in dags.items() if those <= readable]


async def wanted_dataset(request: Request, name: str, caller: Reader) -> Dataset:
    """A dataset that the caller may see. Whoever may not see it does not learn whether it exists.

    :raises HTTPException: 403, 404 with what is wrong with its definition, or 503 if the definitions could not be read
    """
    await run_in_threadpool(caller.require, sources.dag_id_of(name))
    known, _ = await known_definitions(request)
    if name not in known.datasets:
        wrong = await told_problems(known, caller, name)
        raise HTTPException(404, " ".join([f"There is no valid dataset named {name}.", *wrong]))
    return known.datasets[name]


async def overview_of(request: Request, dataset: Dataset) -> Answer:
    """How a dataset stands, or why that is not known."""
    key = f"{dataset.name}\n{dataset.fingerprint}"
    return await ask(request, key, dataset, partial(sources.overview_of, dataset))


def lane_of(dataset: Dataset) -> str:
    """The lane of a dataset's cluster."""
    return f"cluster {dataset.cycle.opensearch_conn_id}"
