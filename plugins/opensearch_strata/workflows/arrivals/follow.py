"""Follows a queue for ever, in passes of a minute each."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event
from typing import TYPE_CHECKING

from opensearch_strata.archive.arrivals.drain import DrainLimits
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.errors import DefinitionError
from opensearch_strata.errors.judging import explain, is_known
from opensearch_strata.workflows.arrivals.arrivals import USUAL_LOAD

if TYPE_CHECKING:
    from opensearch_strata.archive.arrivals.drained import Drained
    from opensearch_strata.workflows.arrivals.arrivals import Arrivals

_log = logging.getLogger(__name__)

MINUTE = 60.0
"""Seconds of a pass: raw days that nothing came for are not registered as under load for longer."""

_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 120.0  # seconds until the next pass after one that failed


def follow(
    arrivals: Arrivals,
    owner: str,
    stop: Event,
    on_pass: Callable[[Drained], None],
    *,
    seconds: float = MINUTE,
    settings: LoadSettings = USUAL_LOAD,
) -> None:
    """Load new objects until ``stop`` is set.

    What others can mend is waited out, a role or a queue that is missing as well as an outage: whoever starts this
    again after each failure would receive the messages again as well.

    :param owner: for the ledger, who loads
    :param on_pass: called after each pass; if OpenSearch or AWS does not answer it, that is logged
    :param seconds: length of a pass
    :raises DefinitionError: something that a person wrote cannot be used
    """
    pause = _FIRST_PAUSE
    while not stop.is_set():
        began = time.monotonic()
        try:
            drained = arrivals.drain(owner, DrainLimits(seconds), stop, settings)
        except Exception as error:
            if isinstance(error, DefinitionError) or not is_known(error):
                raise
            if time.monotonic() - began >= seconds:  # most of it may have gone well
                pause = _FIRST_PAUSE
            _log.warning("%s The next attempt is in %.0f s.", explain(error), pause)
            stop.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            continue
        pause = _FIRST_PAUSE
        try:
            on_pass(drained)
        except Exception as error:
            if not is_known(error):
                raise
            _log.warning("%s; how the queue stands is not known. %s", drained, explain(error))
