"""What a test can make go wrong: the switches of `TransformApi.faults`."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

TRANSIENT_FAILURE = (
    "Failed validation - [The cluster is breaching the jvm usage threshold [85], cannot execute the transform]"
)


@dataclass(frozen=True)
class RunFault:
    """What happens to one run of one job. The default is an undisturbed run."""

    failure_reason: str | None = None
    hang: bool = False
    after_pages: int = 0
    lose_row: bool = False
    double_row: bool = False

    def ends_before_page(self, page: int) -> bool:
        """Whether the run fails or hangs instead of reading page number `page` (from 0)."""
        return (self.hang or self.failure_reason is not None) and page >= self.after_pages


@dataclass
class Faults:
    """The switches; every duration is in real seconds.

    Attributes:
        pick_up_jobs: False: no job ever starts; `_explain` keeps answering null metadata.
        latency: Wait before every answer, forwarded ones too.
        page_delay: Wait before every page of a run.
        disable_delay: How long `finished` or `failed` is visible before the job says `enabled: false`.
    """

    pick_up_jobs: bool = True
    latency: float = 0.0
    page_delay: float = 0.0
    disable_delay: float = 0.0
    _runs: deque[RunFault] = field(default_factory=deque)
    _refusals: deque[tuple[int, str]] = field(default_factory=deque)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def fail_runs(self, times: int = 1, reason: str = TRANSIENT_FAILURE, after_pages: int = 0) -> None:
        """Let the next `times` runs end as `failed` with this reason after writing `after_pages` pages.

        The rows of those pages stay, and a `_start` resumes behind them, as with the real plugin.
        """
        self._queue(times, RunFault(failure_reason=reason, after_pages=after_pages))

    def hang_run(self, after_pages: int = 1) -> None:
        """Let the next run fall silent after `after_pages` pages, as when its node is lost.

        Its status stays `started` (`init` when `after_pages` is 0) and `last_updated_at` stands still. Its
        lock expires after 30 scheduled minutes, then the next tick resumes it.
        """
        self._queue(1, RunFault(hang=True, after_pages=after_pages))

    def lose_row(self) -> None:
        """Let the next run leave out its first row, and count it as indexed."""
        self._queue(1, RunFault(lose_row=True))

    def double_row(self) -> None:
        """Let the next run write its first row once more, under an id of its own."""
        self._queue(1, RunFault(double_row=True))

    def refuse(self, times: int, status: int, path: str = "") -> None:
        """Answer the next `times` requests with `path` in their path with `status` (409, 429 or 503)."""
        with self._guard:
            self._refusals.extend([(status, path)] * times)

    def next_run(self) -> RunFault:
        """Take the fault of the run that begins now."""
        with self._guard:
            return self._runs.popleft() if self._runs else RunFault()

    def next_refusal(self, path: str) -> int | None:
        """Take the status to refuse this request with, if it is to be refused."""
        with self._guard:
            for position, (status, part) in enumerate(self._refusals):
                if part in path:
                    del self._refusals[position]
                    return status
        return None

    def _queue(self, times: int, fault: RunFault) -> None:
        with self._guard:
            self._runs.extend([fault] * times)
