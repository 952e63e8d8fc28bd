"""Alarms of a dataset to the notifiers that its definition names, once for each cause."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from opensearch_strata.airflow.assets import Kind, asset_of
from opensearch_strata.errors.judging import explain
from opensearch_strata.errors.printable import brief, printable

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.bases.notifier import BaseNotifier

    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.definition.sections.notify import Receiver
    from opensearch_strata.workflows.alarms.alarm import Alarm

_LOG = logging.getLogger(__name__)

WHY_FAILED = "why_failed"
"""XCom key under which a task that failed for good says why: ``{"task", "why"}``; mapped tasks end with ``_n``."""

_AGAIN = timedelta(hours=20)  # less than a day, so that what lasts is told again by each daily cycle

_CLASSES = {
    "sns": "airflow.providers.amazon.aws.notifications.sns.SnsNotifier",
    "slack": "airflow.providers.slack.notifications.slack.SlackNotifier",
    "slack_webhook": "airflow.providers.slack.notifications.slack_webhook.SlackWebhookNotifier",
    "smtp": "airflow.providers.smtp.notifications.smtp.SmtpNotifier",
}
_SHORT = {path: short for short, path in _CLASSES.items()}
_CONNECTIONS = {
    "sns": "aws_conn_id",
    "slack": "slack_conn_id",
    "slack_webhook": "slack_webhook_conn_id",
    "smtp": "smtp_conn_id",
}

# What an alarm says reaches a notifier only as values of these templates, never as a template of its own: it may hold
# text from documents, file names and servers. Slack must not call at addresses in it, either, to show what is there.
_SLACK = {"text": "{{ strata.subject }}\n\n{{ strata.message }}", "unfurl_links": False, "unfurl_media": False}
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "sns": {"subject": "{{ strata.subject }}", "message": "{{ strata.message }}"},
    "slack": _SLACK,
    "slack_webhook": _SLACK,
    "smtp": {
        "subject": "{{ strata.subject }}",
        "html_content": '<div style="white-space: pre-wrap">{{ strata.message }}</div>',
    },
}


def remember_why(context: Context) -> None:
    """Leave why a task failed for the task that reports; for ``on_failure_callback``, which no retry calls.

    :param context: of the task
    """
    ti = context["ti"]
    index = ti.map_index if ti.map_index is not None else -1
    task = ti.task_id if index < 0 else f"{ti.task_id}_{index}"
    if why := _why(context):
        ti.xcom_push(key=WHY_FAILED, value={"task": task, "why": why})


def tell_failure(context: Context) -> None:
    """Tell that a task of arrivals failed for good; for ``on_failure_callback``, which no retry calls.

    :param context: of the task
    """
    from opensearch_strata.workflows.alarms.of_loads import not_loading

    task: Any = context["task"]  # an ArrivalsOperator
    tell(context, task.dataset, [not_loading(task.dataset, task.task_id, _why(context))], "arrived")


def tell_unreported(context: Context) -> None:
    """Tell that the report of a cycle failed before it could tell anything; for ``on_failure_callback``.

    :param context: of the task
    """
    from airflow.sdk.exceptions import AirflowFailException

    from opensearch_strata.workflows.alarms.of_cycle import unreported

    task: Any = context["task"]  # a ReportOperator
    if not isinstance(context.get("exception"), AirflowFailException):  # which is how a report ends that told
        tell(context, task.dataset, [unreported(task.dataset, _why(context))], "history")


def _why(context: Context) -> str:
    """Why the task failed, in a sentence; empty if it was killed."""
    error = context.get("exception")
    return explain(error) if isinstance(error, BaseException) else ""


def tell(context: Context, dataset: Dataset, alarms: Sequence[Alarm], memory: Kind | None = None) -> None:
    """Send alarms to each receiver of the dataset that wants their kind. Whatever goes wrong is a warning in the log.

    :param context: of the task
    :param dataset: the definition
    :param alarms: one for each cause
    :param memory: leave out what was told in the last 20 hours, as Airflow's state of this asset of the dataset says,
        which must be an inlet of the task; None tells everything
    """
    notify = dataset.cycle.notify
    if notify is None or not alarms:
        return
    link = context["ti"].log_url or ""
    told_before = _Memory(context, dataset, memory) if memory else None
    for alarm in alarms:
        if told_before and told_before.has(alarm):
            continue
        values = {
            "kind": alarm.kind,
            "dataset": alarm.dataset,
            "subject": alarm.subject,
            "sentence": printable(alarm.sentence),  # a person's template may put it into a header
            "cure": printable(alarm.cure),
            "link": link,
            "message": alarm.message(link),
        }
        receivers = [one for one in notify.to if one.about is None or alarm.kind in one.about]
        sent = [_sent(context, receiver, values) for receiver in receivers]
        if any(sent) and told_before:
            told_before.add(alarm)


class _Memory:
    """Which alarms of a dataset were told when, in Airflow's state of one of its assets."""

    def __init__(self, context: Context, dataset: Dataset, kind: Kind) -> None:
        self._now = datetime.now(UTC)
        self._told: dict[str, str] = {}
        try:
            self._state: Any = context["asset_state_store"][asset_of(dataset.name, kind)]
            told: Any = self._state.get("alarms", {})
            self._told = {cause: time for cause, time in told.items() if self._is_recent(time)}
        except Exception as error:  # noqa: BLE001 - rather twice than never
            self._state = None
            _LOG.warning("Which alarms were told before is not known: %s", brief(str(error)))

    def has(self, alarm: Alarm) -> bool:
        """Whether an alarm was told lately."""
        return alarm.cause in self._told

    def add(self, alarm: Alarm) -> None:
        """Remember that an alarm was told now."""
        self._told[alarm.cause] = self._now.isoformat()
        if self._state is not None:
            try:
                self._state.set("alarms", self._told)
            except Exception as error:  # noqa: BLE001 - it was told, and will be told again
                _LOG.warning("That the alarm was told is not noted: %s", brief(str(error)))

    def _is_recent(self, time: str) -> bool:
        return self._now - datetime.fromisoformat(time) < _AGAIN


def _sent(context: Context, receiver: Receiver, values: dict[str, str]) -> bool:
    """Send one alarm to one receiver; say so in the log, or why not."""
    try:
        # Not as_native: a sentence that looks like a number or a list stays text.
        from jinja2.sandbox import SandboxedEnvironment

        short = _SHORT.get(receiver.notifier, receiver.notifier)
        notifier = _notifier(receiver, short)
        said = {name: _mrkdwn(text) for name, text in values.items()} if _DEFAULTS.get(short) is _SLACK else values
        told: Any = {**context, "strata": said}
        notifier.render_template_fields(told, SandboxedEnvironment(keep_trailing_newline=True))
        notifier.notify(told)
    except Exception as error:  # noqa: BLE001 - the task goes on, and its own verdict is in its log
        _LOG.warning("%s could not be told of %s: %s", receiver.notifier, values["subject"], _reason(error))
        return False
    _LOG.info("told %s: %s", receiver.notifier, values["subject"])
    return True


def _reason(error: Exception) -> str:
    """Why a notifier failed, in a line. Slack's API names the reason in its answer, and not in the first line."""
    answer: Any = getattr(error, "response", None)
    code = answer.get("error") if hasattr(answer, "get") else None
    return brief(f"{code}: {error}" if isinstance(code, str) else str(error))


def _mrkdwn(text: str) -> str:
    """Text as Slack shows it, without mentions and links: https://docs.slack.dev/messaging/formatting-message-text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _notifier(receiver: Receiver, short: str) -> BaseNotifier:
    """Build the notifier that a receiver names.

    :param receiver: of the definition
    :param short: short name of the notifier if it has one, otherwise its class path
    :raises ImportError: its provider is not installed, or there is no such class
    :raises TypeError: the class is no notifier of Airflow, or takes other arguments
    """
    from airflow.sdk.bases.notifier import BaseNotifier
    from airflow.sdk.module_loading import import_string  # type: ignore[attr-defined]  # where Airflow takes it from

    kind: Any = import_string(_CLASSES.get(short, short))
    if not (isinstance(kind, type) and issubclass(kind, BaseNotifier)):
        raise TypeError(f"{receiver.notifier} is no subclass of airflow.sdk.BaseNotifier")
    arguments: dict[str, Any] = {**_DEFAULTS.get(receiver.notifier, {}), **receiver.arguments}
    if short == "smtp" and isinstance(html := arguments.get("html_content"), str):
        arguments["html_content"] = f"{{% autoescape true %}}{html}{{% endautoescape %}}"
    if receiver.connection:
        arguments[_CONNECTIONS[receiver.notifier]] = receiver.connection
    found: BaseNotifier = kind(**arguments)
    return found
