"""Retries of requests to OpenSearch while their fault may pass: one policy for all requests that are safe to repeat.

A request that fails with "not now" (no connection, 429, 502, 503, 504, a partial answer, a running snapshot) is retried
until a time limit is reached. An odd answer (500, a web page or half of a JSON document with status 200) may be the
fault of something in between, or may be permanent: the request is retried a few times. A question to several indices
may meet one that is just being deleted or created: the whole question is asked again, of the indices that exist then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_fixed,
    wait_random_exponential,
)

from opensearch_strata.errors import TransientError
from opensearch_strata.errors.judging import explain, is_transient

ODD_TRIES = 5
"""Attempts after which an odd answer is no longer taken for an accident."""

GOING_TRIES = 10
"""Attempts at a question that meets an index on its way out or in each time; retention deletes no more at a time."""

GOING_PAUSE = 0.05
"""Seconds between them: an index that is deleted is found for some milliseconds, and no shard of it."""

_BACK_OFF = wait_random_exponential(multiplier=0.1, max=5)

# Types of the errors of a shard that is not there any more, or not yet.
_OF_NO_SHARD = frozenset(
    {
        "already_closed_exception",
        "illegal_index_shard_state_exception",
        "index_closed_exception",
        "index_not_found_exception",
        "index_shard_closed_exception",
        "no_shard_available_action_exception",
        "shard_not_found_exception",
    }
)

_T = TypeVar("_T")


class OddAnswer(TransientError):  # noqa: N818 - reads as what happened
    """OpenSearch, or something in its place, sent something that cannot be an answer to the request."""


def patiently(
    call: Callable[[], _T], seconds: float, *, may_pass: Callable[[BaseException], bool] = is_transient
) -> _T:
    """The result of a call that is retried while its fault may pass; after that, the last fault is raised unchanged.

    :param call: a call that is safe to repeat
    :param seconds: how long to retry
    :param may_pass: which faults are waited out; odd answers are always retried a few times
    """
    odd = 0

    def again(error: BaseException) -> bool:
        nonlocal odd
        if not is_odd(error):
            return may_pass(error)
        odd += 1
        return odd < ODD_TRIES

    def over(state: RetryCallState) -> bool:
        return (state.seconds_since_start or 0) >= seconds

    return Retrying(retry=retry_if_exception(again), wait=_BACK_OFF, stop=over, reraise=True)(call)


def is_odd(error: BaseException) -> bool:
    """Whether an error is an answer that may come from anything in between: 500, or one that cannot be read."""
    from opensearchpy.exceptions import SerializationError, TransportError

    if isinstance(error, OddAnswer | SerializationError):
        return True
    return isinstance(error, TransportError) and error.status_code == 500


def is_going(error: BaseException) -> bool:
    """Whether a search failed because an index is gone, just going or just coming: it was found, and no shard of it.

    :param error: what :func:`opensearch_strata.connections.decisive.search` raised
    """
    from opensearchpy.exceptions import NotFoundError, TransportError

    if isinstance(error, NotFoundError):
        return True
    if not isinstance(error, TransportError) or error.error != "search_phase_execution_exception":
        return False
    info = error.info if isinstance(error.info, Mapping) else {}
    failures = info.get("error", {}).get("failed_shards", [])
    return all(failure.get("reason", {}).get("type") in _OF_NO_SHARD for failure in failures)


def past_changes(ask: Callable[[], _T], whose: str) -> _T:
    """The answer to a question that is asked again, as a whole, while it meets indices on their way out or in.

    :param ask: asks it; looks up anew which indices exist
    :param whose: name of what the indices belong to, for the sentence of the error
    :raises TransientError: each attempt met one
    """
    tries = Retrying(
        retry=retry_if_exception(is_going),
        wait=wait_fixed(GOING_PAUSE),
        stop=stop_after_attempt(GOING_TRIES),
        reraise=True,
    )
    try:
        return tries(ask)
    except Exception as error:
        if is_going(error):
            raise going_on(whose, error) from error
        raise


def going_on(whose: str, last: BaseException) -> TransientError:
    """The error for a question that met an index on its way out or in with each attempt.

    :param whose: name of what the indices belong to
    :param last: the error of the last attempt
    """
    return TransientError(
        f"Indices of {whose} were deleted or created while they were read, {GOING_TRIES} times in a row. Ask again. "
        f"The last answer: {explain(last)}"
    )


def part_of(answer: Any, *path: str) -> Any:
    """The value at a path in an answer.

    :param answer: the server's JSON, parsed
    :param path: keys, from the outermost to the innermost
    :raises OddAnswer: there is no value at this path
    """
    found = answer
    for key in path:
        if not isinstance(found, Mapping) or key not in found:
            raise OddAnswer(
                f"OpenSearch answered without {'.'.join(path)!r}, which it always sends. Nothing was decided."
            )
        found = found[key]
    return found
