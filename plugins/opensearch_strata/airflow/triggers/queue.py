"""The trigger that waits for messages in a queue without receiving any."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from opensearch_strata.errors.judging import explain, is_transient

# How many looks in a row may fail for a passing reason before the task's own retries take over.
_FAILED_LOOKS = 12


class QueueTrigger(BaseTrigger):
    """Looks at a queue now and then, and fires once: when messages wait, or at the end of its time.

    It only counts messages. To receive one here would bring it closer to the dead-letter queue.

    The event is ``{"waiting": number}`` or ``{"error": sentence, "transient": bool}``.

    :param aws_conn_id: the connection
    :param queue: URL or ARN
    :param seconds: after which it fires even if no message waits
    :param poll: seconds between two looks
    """

    def __init__(self, aws_conn_id: str, queue: str, seconds: float, poll: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.aws_conn_id = aws_conn_id
        self.queue = queue
        self.seconds = seconds
        self.poll = poll

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        arguments = {
            "aws_conn_id": self.aws_conn_id,
            "queue": self.queue,
            "seconds": self.seconds,
            "poll": self.poll,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until messages wait."""
        yield TriggerEvent(await self._watch())

    async def _watch(self) -> dict[str, Any]:
        from opensearch_strata.airflow.hooks.sqs import sqs_client
        from opensearch_strata.archive.arrivals.queue import Queue

        until, failed = time.monotonic() + self.seconds, 0
        queue: Queue | None = None
        while True:
            try:
                # In threads, because boto3 blocks; the connection is looked up in the one that Airflow expects.
                queue = queue or Queue(await sync_to_async(sqs_client)(self.aws_conn_id, self.queue), self.queue)
                state = await sync_to_async(queue.state, thread_sensitive=False)()
                failed = 0
            except Exception as error:  # noqa: BLE001 - any failure is reported in the event
                failed += 1
                if not is_transient(error) or failed == _FAILED_LOOKS:
                    return {"error": explain(error), "transient": is_transient(error)}
                self.log.warning("look failed (%s of %s in a row): %s", failed, _FAILED_LOOKS, explain(error))
            else:
                if state.waiting or time.monotonic() >= until:
                    return {"waiting": state.waiting}
            await asyncio.sleep(self.poll)
