"""Running the jobs: one thread each, which waits for its ticks and works through the pages."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import replace
from typing import Any

from tests.transform_api.composite import NullResultError, Page, hash_id, search_page, write_rows
from tests.transform_api.definition import mapping_issues
from tests.transform_api.documents import Metadata, Stats
from tests.transform_api.faults import Faults, RunFault
from tests.transform_api.jobs import Job, JobStore, OvertakenError, now_millis
from tests.transform_api.node import Node, NodeError

VALIDATION_FAILED = "Failed to validate the transform job"
SEARCH_FAILED = "Failed to search data in source indices"
INDEX_FAILED = "Failed to index the documents"
UNIT_IN_MINUTES = {"Seconds": 1 / 60, "Minutes": 1, "Hours": 60, "Days": 1440}


class RunFailedError(Exception):
    """The run ends as `failed`; the message is its `failure_reason`."""


class HungError(Exception):
    """The run falls silent and keeps its lock."""


def seconds_to_tick(schedule: dict[str, Any], minute: float, now: float) -> float:
    """Seconds from `now` (epoch) to a schedule's start time, or else to the next whole interval after it."""
    interval = schedule["interval"]
    ahead = float(interval["start_time"] / 1000 - now)
    if ahead > 0:
        return ahead
    period = float(interval["period"] * UNIT_IN_MINUTES[interval["unit"]] * minute)
    return period - (-ahead % period)


class JobThread(threading.Thread):
    """Runs one job at its ticks until the job is deleted or the double is closed."""

    def __init__(self, job: Job, store: JobStore, node: Node, faults: Faults, minute: float) -> None:
        super().__init__(name=f"transform {job.id}", daemon=True)
        self._job = job
        self._store = store
        self._node = node
        self._faults = faults
        self._minute = minute
        self._closing = threading.Event()

    def close(self) -> None:
        """End the thread at its next pause and wait for it."""
        self._closing.set()
        self._job.rescheduled.set()
        self.join()

    def run(self) -> None:
        """Wait for ticks. A disabled job has none; any write to its document schedules it anew."""
        job = self._job
        while not (job.deleted or self._closing.is_set()):
            enabled = job.document["enabled"]
            wait = seconds_to_tick(job.document["schedule"], self._minute, time.time()) if enabled else None
            if job.rescheduled.wait(wait):
                job.rescheduled.clear()
            elif self._faults.pick_up_jobs:
                with contextlib.suppress(OvertakenError, HungError):
                    self._tick()

    def _tick(self) -> None:
        metadata = self._store.begin(self._job)
        fault = self._faults.next_run()
        page_number = 0
        try:
            while page_number == 0 or metadata.after_key is not None:
                if fault.ends_before_page(page_number):
                    self._disturb(fault)
                metadata = self._store.progress(self._job, metadata, self._page(metadata, fault))
                fault = replace(fault, lose_row=False, double_row=False)
                page_number += 1
        except RunFailedError as failure:
            metadata = _failed(metadata, str(failure))
        self._store.end(self._job, metadata, self._pause_before_disabling)

    def _page(self, metadata: Metadata, fault: RunFault) -> Metadata:
        self._closing.wait(self._faults.page_delay)
        self._validate()
        page = self._search(metadata)
        written = self._write(page, fault)
        counted = Stats(1, page.documents, len(page.rows), written, page.took)
        return replace(
            metadata,
            stats=metadata.stats + counted,
            after_key=page.after_key,
            last_updated_at=now_millis(),
            status="started" if page.after_key else "finished",
        )

    def _validate(self) -> None:
        document = self._job.document
        try:
            issues = mapping_issues(document["groups"], self._node.mappings(document["source_index"]))
        except NodeError as error:
            raise RunFailedError(VALIDATION_FAILED) from error
        if issues:
            raise RunFailedError(f"Failed validation - [{', '.join(issues)}]")

    def _search(self, metadata: Metadata) -> Page:
        document = self._job.document
        try:
            return search_page(self._node, document, metadata.after_key, document["page_size"])
        except (NodeError, NullResultError) as error:
            raise RunFailedError(SEARCH_FAILED) from error

    def _write(self, page: Page, fault: RunFault) -> int:
        rows = page.rows[1:] if fault.lose_row else list(page.rows)
        if fault.double_row:
            rows += [(hash_id(f"second {row_id}"), source) for row_id, source in page.rows[:1]]
        try:
            return write_rows(self._node, self._job.document, rows)
        except NodeError as error:
            raise RunFailedError(INDEX_FAILED) from error

    def _disturb(self, fault: RunFault) -> None:
        if fault.hang:
            raise HungError
        raise RunFailedError(fault.failure_reason)

    def _pause_before_disabling(self) -> None:
        if self._faults.disable_delay:
            self._store.refresh()
            self._closing.wait(self._faults.disable_delay)


def _failed(metadata: Metadata, reason: str) -> Metadata:
    # a failed validation is written without touching the time of the last page
    validation = reason.startswith("Failed validation")
    return metadata.with_status("failed", metadata.last_updated_at if validation else now_millis(), reason)
