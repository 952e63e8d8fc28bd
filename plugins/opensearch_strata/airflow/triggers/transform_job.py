"""The trigger that watches a transform job until it has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from opensearch_strata.errors.judging import explain, is_transient
from opensearch_strata.history.condense.engines.job_state import (
    NODE_STARTS,
    STOP_PAUSES,
    JobState,
    Patience,
    assess,
    is_silent,
    newest_node_ms,
)

if TYPE_CHECKING:
    from opensearchpy import AsyncOpenSearch

# How many polls in a row may fail for a passing reason before the task's own retries take over.
_FAILED_POLLS = 12


class TransformJobTrigger(BaseTrigger):
    """Watches a transform job, and fires once.

    The event is ``{"state": JobState as dict, "progress": ...}`` or ``{"error": sentence, "transient": bool}``.

    :param opensearch_conn_id: the connection
    :param job_id: id of the transform
    :param due_ms: when it is due to start, in epoch milliseconds
    :param patience: fields of :class:`Patience`
    :param progress: returned unchanged in the event
    """

    def __init__(
        self, opensearch_conn_id: str, job_id: str, due_ms: int, patience: dict[str, Any], progress: dict[str, Any]
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.opensearch_conn_id = opensearch_conn_id
        self.job_id = job_id
        self.due_ms = due_ms
        self.patience = patience
        self.progress = progress

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        arguments = {
            "opensearch_conn_id": self.opensearch_conn_id,
            "job_id": self.job_id,
            "due_ms": self.due_ms,
            "patience": self.patience,
            "progress": self.progress,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until the job has ended."""
        client = await self._client()
        try:
            yield TriggerEvent(await self._watch(client))
        finally:
            await client.close()

    async def _watch(self, client: AsyncOpenSearch) -> dict[str, Any]:
        patience = Patience(**self.patience)
        failed = 0
        last = None
        while True:
            try:
                state = await self._read_state(client, patience)
                failed = 0
            except Exception as error:  # noqa: BLE001 - any failure is reported in the event
                failed += 1
                if not is_transient(error) or failed == _FAILED_POLLS:
                    return {"error": explain(error), "transient": is_transient(error)}
                self.log.warning("poll failed (%s of %s in a row): %s", failed, _FAILED_POLLS, explain(error))
            else:
                if state != last:
                    self.log.info("transform %s", state.phase, transform_id=self.job_id, documents=state.documents)
                last = state
                if state.over:
                    return {"state": asdict(state), "progress": self.progress}
            await asyncio.sleep(patience.pause(self.due_ms, int(time.time() * 1000)))

    async def _read_state(self, client: AsyncOpenSearch, patience: Patience) -> JobState:
        from opensearchpy import AuthorizationException, NotFoundError

        try:
            job = (await client.plugins.transforms.get(id=self.job_id))["transform"]
        except NotFoundError:
            job = None
        explained = (await client.plugins.transforms.explain(id=self.job_id)).get(self.job_id)
        now_ms = int(time.time() * 1000)
        state = assess(job, explained, self.due_ms, now_ms, patience)
        if not is_silent(state, self.due_ms, now_ms):
            return state
        try:
            info = await client.nodes.info(metric="jvm", params=NODE_STARTS)
        except AuthorizationException:
            info = {}
        return assess(job, explained, self.due_ms, now_ms, patience, newest_node_ms(info))

    async def on_kill(self) -> None:
        """Stop the job when a person marks or clears the waiting task."""
        from opensearchpy import ConflictError, NotFoundError, RequestError

        client = await self._client()
        try:
            for pause in STOP_PAUSES:
                try:
                    await client.plugins.transforms.stop(id=self.job_id)
                    break
                except ConflictError:
                    await asyncio.sleep(pause)
        except (NotFoundError, RequestError):
            self.log.info("nothing to stop", transform_id=self.job_id)
        finally:
            await client.close()

    async def _client(self) -> AsyncOpenSearch:
        from opensearch_strata.airflow.hooks.opensearch import OpenSearchHook

        return await OpenSearchHook(self.opensearch_conn_id).async_client()
