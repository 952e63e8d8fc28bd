"""Which failures of a task are worth a retry.

Quick to import, because DAG files name the policy in their ``default_args``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import RetryDecision, RetryPolicy
from airflow.sdk.exceptions import (
    AirflowRuntimeError,
    AirflowTaskTimeout,
    TaskDeferralError,
    TaskDeferralTimeout,
)

from opensearch_strata.errors import DefinitionError
from opensearch_strata.errors.judging import explain, is_known, is_transient

if TYPE_CHECKING:
    from airflow.sdk import Context

# Airflow raises these in place of the cause: the API server did not answer, the task timed out, the triggerer failed.
_CAUSE_UNKNOWN = (AirflowRuntimeError, AirflowTaskTimeout, TaskDeferralError, TaskDeferralTimeout, SystemExit)


class TransientOnly(RetryPolicy):
    """Retry failures that may pass (no connection, 429, 502, 503, 504); fail immediately on all others.

    Rules by exception class (``ExceptionRetryPolicy``) cannot tell a 429 from a 500: both are a plain
    ``TransportError``. The number of tries and the back-off stay those of the task. Where an exception of Airflow's own
    hides the cause, the task's ordinary retries apply.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # noqa: ARG002
        max_tries: int,  # noqa: ARG002
        context: Context | None = None,  # noqa: ARG002
    ) -> RetryDecision:
        """Decide in the worker, where the exception itself is at hand; the reason goes to the task's log."""
        if is_transient(exception):
            return RetryDecision.retry(reason=explain(exception))
        if isinstance(exception, _CAUSE_UNKNOWN):
            return RetryDecision.default()
        return RetryDecision.fail(reason=f"Not retried: {explain(exception)}")

    def serialize(self) -> dict[str, Any]:
        """Return the class path, which is all there is: the policy has no settings."""
        return {"__type": f"{type(self).__module__}.{type(self).__qualname__}"}


class UnlessWrong(TransientOnly):
    """Retry whatever somebody can mend meanwhile, a role or a queue that is missing as well; fail on a definition.

    For tasks that run every minute: they would fail every minute.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide in the worker, as for :class:`TransientOnly`."""
        if is_known(exception) and not isinstance(exception, DefinitionError):
            return RetryDecision.retry(reason=explain(exception))
        return super().evaluate(exception, try_number, max_tries, context)


TRANSIENT_ONLY = TransientOnly()
UNLESS_WRONG = UnlessWrong()

RETRIES: dict[str, Any] = {
    "retries": 4,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=15),
    "retry_policy": TRANSIENT_ONLY,
}
"""For the ``default_args`` of a DAG: four retries of failures that may pass, from 30 s to 15 min apart."""

EVERY_MINUTE: dict[str, Any] = {**RETRIES, "retries": 6, "retry_policy": UNLESS_WRONG}
"""For a task that runs every minute: it fails half an hour after the first failure, not every minute."""
