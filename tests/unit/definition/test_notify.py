"""Whom a definition names for alarms."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from opensearch_strata.definition.sections.notify import Notify
from tests.streams import dataset_of

MAIL = {"notifier": "smtp", "arguments": {"to": "night@example.com"}}


@pytest.mark.parametrize(
    ("receiver", "told"),
    [
        ({"notifier": "sms"}, "neither sns, slack, slack_webhook, smtp nor the path of a class"),
        ({"notifier": "sns"}, "sns needs the arguments ['target_arn']"),
        ({**MAIL, "arguments": {"to": "a@b", "files": ["/etc/passwd"]}}, "smtp takes no arguments ['files']"),
        ({"notifier": "acme.Pager", "arguments": {"api_key": "x"}}, "put them into a connection"),
        (
            {"notifier": "acme.Pager", "connection": "pager"},
            "give another class its connection as one of its arguments",
        ),
        ({**MAIL, "about": ["weather"]}, "Input should be 'proof'"),
        ({**MAIL, "about": []}, "at least 1 item"),
        ({**MAIL, "abuot": ["proof"]}, "Extra inputs are not permitted"),
    ],
)
def test_what_could_not_tell_anybody_is_refused(receiver: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Notify.model_validate({"to": [receiver]})
    assert told in str(refused.value)


def test_nobody_at_all_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        Notify.model_validate({"to": []})


@pytest.mark.parametrize(
    "cycle", [{"owner_link": "https://chat.example.com/logs"}, {"owner": "logs", "owner_link": "javascript:alert(1)"}]
)
def test_an_owner_is_named_and_reached_by_web_or_mail(cycle: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="owner"):
        dataset_of("told", cycle=cycle)


def test_rows_do_not_depend_on_who_is_told() -> None:
    silent, loud = dataset_of("told"), dataset_of("told", cycle={"notify": {"to": [MAIL]}})
    assert loud.cycle.notify
    assert loud.fingerprint == silent.fingerprint
