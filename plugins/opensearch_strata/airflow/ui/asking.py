"""What every page begins with: who asks, for which dataset, and what is known of it."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.concurrency import run_in_threadpool

from opensearch_strata.airflow.ui import sources
from opensearch_strata.airflow.ui.access import Reader, reader
from opensearch_strata.airflow.ui.answers import Answer, Answers
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.files import Definitions

CurrentReader = Annotated[Reader, Depends(reader)]


async def wanted_dataset(request: Request, name: str, caller: Reader) -> Dataset:
    """A dataset that the caller may see. Whoever may not see it does not learn whether it exists.

    :raises HTTPException: 403 or 404
    """
    await run_in_threadpool(caller.require, sources.dag_id_of(name))
    found = await answers_of(request).ask("definitions", sources.definitions)
    known: Definitions = found.value or Definitions()
    if name not in known.datasets:
        raise HTTPException(404, found.problem or f"There is no valid dataset named {name}.")
    return known.datasets[name]


async def overview_of(answers: Answers, dataset: Dataset) -> Answer:
    """How a dataset stands, or why that is not known."""
    return await answers.ask(f"{dataset.name}\n{dataset.fingerprint}", partial(sources.overview_of, dataset))


def answers_of(request: Request) -> Answers:
    """The questions of the pages under way, and their answers."""
    answers: Answers = request.app.state.answers
    return answers
