"""Retries of requests to OpenSearch while their fault may pass: one policy for all requests that are safe to repeat.

A request that fails with "not now" (no connection, 429, 502, 503, 504, a partial answer, a running snapshot) is retried
until a time limit is reached. An odd answer (500, a web page or half of a JSON document with status 200) may be the
fault of something in between, or may be permanent: the request is retried a few times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from opensearch_strata.errors import TransientError
from opensearch_strata.errors.judging import is_transient

ODD_TRIES = 5
"""Attempts after which an odd answer is no longer taken for an accident."""

_BACK_OFF = wait_random_exponential(multiplier=0.1, max=5)

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
