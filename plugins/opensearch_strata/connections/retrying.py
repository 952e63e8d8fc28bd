"""Requests to OpenSearch that are made again while their fault may pass: one policy for all that are safe to repeat.

What says "not now" (no connection, 429, 502, 503, 504, an answer in part, a snapshot under way) is asked again until a
time is over. An odd answer (500, a web page or half of a JSON with status 200) may be a fault of somebody in between,
or for good: it is asked again a few times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from opensearch_strata.errors import TransientError
from opensearch_strata.errors.judging import is_transient

ODD_TRIES = 5
"""So often an odd answer is taken for an accident."""

_BACK_OFF = wait_random_exponential(multiplier=0.1, max=5)

_T = TypeVar("_T")


class OddAnswer(TransientError):  # noqa: N818 - reads as what happened
    """OpenSearch, or somebody in its place, answered what cannot be an answer to the request."""


def patiently(
    call: Callable[[], _T], seconds: float, *, may_pass: Callable[[BaseException], bool] = is_transient
) -> _T:
    """The result of a call that is made again while its fault may pass; then its last fault is raised as it is.

    :param call: safe to repeat
    :param seconds: for so long
    :param may_pass: which faults are waited out; odd answers are in any case, for a few times
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
    """Whether an error is an answer that may be anybody's: 500, or nothing that could be read."""
    from opensearchpy.exceptions import SerializationError, TransportError

    if isinstance(error, OddAnswer | SerializationError):
        return True
    return isinstance(error, TransportError) and error.status_code == 500


def part_of(answer: Any, *path: str) -> Any:
    """What an answer says in a place.

    :param answer: JSON of the server, parsed
    :param path: keys from the outermost on
    :raises OddAnswer: it says nothing there
    """
    found = answer
    for key in path:
        if not isinstance(found, Mapping) or key not in found:
            raise OddAnswer(
                f"OpenSearch answered without {'.'.join(path)!r}, which it always says. Nothing was decided."
            )
        found = found[key]
    return found
