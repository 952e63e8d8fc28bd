"""Who is told when something is wrong with a dataset, as part of its definition. Pure models, no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, StringConstraints, model_validator

from opensearch_strata.definition.strict_model import Strict

AlarmKind = Literal["proof", "unproven", "audit", "dead_letters", "queue", "disk", "failure"]
"""What an alarm is about."""

_CLASS_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_SECRET = re.compile(r"password|passwd|secret|token|api_?key|private_?key|credential", re.IGNORECASE)

NEEDED: Mapping[str, frozenset[str]] = {
    "sns": frozenset({"target_arn"}),
    "slack": frozenset(),
    "slack_webhook": frozenset(),
    "smtp": frozenset({"to"}),
}
"""Short name of a notifier -> arguments that it cannot do without."""

TAKEN: Mapping[str, frozenset[str]] = {
    "sns": frozenset({"target_arn", "region_name", "subject", "message", "message_attributes"}),
    "slack": frozenset({"channel", "username", "icon_url", "text"}),
    "slack_webhook": frozenset({"text"}),
    "smtp": frozenset({"to", "cc", "bcc", "from_email", "subject", "html_content", "custom_headers"}),
}
"""Short name of a notifier -> the arguments that it takes."""


class Receiver(Strict):
    """One notifier of Airflow, and what it is told."""

    notifier: str = Field(description="sns, slack, slack_webhook, smtp, or the class path of any notifier.")
    connection: Annotated[str, StringConstraints(pattern=r"^[\w.:/-]{1,200}$")] | None = Field(
        None, description="Airflow connection of the notifier; by default, that of its provider."
    )
    arguments: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="Arguments of the notifier; texts may be templates, with strata.subject and strata.message.",
    )
    about: list[AlarmKind] | None = Field(None, min_length=1, description="Kinds of alarms; by default, all of them.")

    @model_validator(mode="after")
    def _fits_its_notifier(self) -> Receiver:
        if problem := _problem(self.notifier, self.connection, self.arguments):
            raise ValueError(problem)
        return self


class Notify(Strict):
    """Who is told, and from when on something is wrong."""

    to: list[Receiver] = Field(min_length=1, max_length=20, description="The notifiers.")
    unproven_hours: int = Field(36, ge=1, le=10_000, description="Tell of a day not proven this long after its end.")
    dead_letter_share: float = Field(
        0.01, ge=0, le=1, description="Tell of dead letters beyond this share of the events that were read."
    )
    queue_minutes: int = Field(60, ge=1, le=100_000, description="Tell of a message that has waited this long.")


def _problem(notifier: str, connection: str | None, arguments: Mapping[str, Any]) -> str:
    """Why a receiver cannot work, as a sentence; empty if it can."""
    if secrets := sorted(name for name in arguments if _SECRET.search(name)):
        return f"arguments {secrets} look like secrets, which do not belong in this file; put them into a connection"
    if notifier not in TAKEN:
        if not _CLASS_PATH.fullmatch(notifier):
            return f"{notifier!r} is neither {', '.join(TAKEN)} nor the path of a class, such as acme.alarms.Pager"
        if connection:
            return f"connection is for {', '.join(TAKEN)}; give another class its connection as one of its arguments"
        return ""
    if unknown := sorted(arguments.keys() - TAKEN[notifier]):
        return f"{notifier} takes no arguments {unknown}, but {', '.join(sorted(TAKEN[notifier]))}"
    if missing := sorted(NEEDED[notifier] - arguments.keys()):
        return f"{notifier} needs the arguments {missing}"
    return ""
