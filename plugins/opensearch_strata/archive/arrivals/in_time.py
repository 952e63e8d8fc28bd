"""What is put in order at an end must not hang with what hung before it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Thread

from opensearch_strata.errors.judging import explain

_log = logging.getLogger(__name__)


def within(seconds: float, action: Callable[[], object]) -> bool:
    """Do something in a thread of its own, and wait for its end, but not for ever. What it raises is logged.

    :param seconds: to wait; after that, the thread goes on alone, and does not keep the process alive
    :param action: what to do
    :returns: whether it has ended
    """

    def act() -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001 - secondary: something else ended us
            _log.warning("%s", explain(error))

    thread = Thread(target=act, name="end", daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()
