"""What Slack is sent: a server that takes the place of its API and of its incoming webhooks receives it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from opensearch_strata.airflow.alarms import tell
from opensearch_strata.workflows.alarms.alarm import Alarm
from tests.servers.recording_server import Answer, RecordingServer, serving
from tests.streams import dataset_of

LINK = "http://airflow/dags/flights_daily_cycle/runs/a?x=1&y=2"
DATA = "Field <!channel> & <https://evil.example.com|here> of @channel, https://evil.example.com/beacon"
SHOWN = (
    "Field &lt;!channel&gt; &amp; &lt;https://evil.example.com|here&gt; of @channel, https://evil.example.com/beacon"
)
PARAGRAPHS = ["Strata: flights: a proof failed", SHOWN, "Do this.", LINK.replace("&", "&amp;")]
ALARM = Alarm("proof", "flights", "one", "a proof failed", DATA, "Do this.")
PATH = "airflow.providers.slack.notifications.slack_webhook.SlackWebhookNotifier"


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingServer]:
    """A server that takes every message, and the connections ``chat`` and ``hook`` to its API and to its webhook."""
    with serving(Answer(200, {"ok": True})) as server:
        connect(monkeypatch, server)
        yield server


def connect(monkeypatch: pytest.MonkeyPatch, server: RecordingServer) -> None:
    chat = {"conn_type": "slack", "password": "xoxb-hunter2", "extra": {"base_url": f"{server.url}/api/"}}
    hook = {"conn_type": "slackwebhook", "host": f"{server.url}/services", "password": "T0/B0/hunter2"}
    monkeypatch.setenv("AIRFLOW_CONN_CHAT", json.dumps(chat))
    monkeypatch.setenv("AIRFLOW_CONN_HOOK", json.dumps(hook))


def tell_by(receiver: dict[str, Any]) -> None:
    dataset = dataset_of("flights", cycle={"notify": {"to": [receiver]}})
    context: Any = {"ti": SimpleNamespace(log_url=LINK)}
    tell(context, dataset, [ALARM])


def assert_is_text_alone(body: dict[str, Any], paragraphs: list[str]) -> None:
    assert body["text"].split("\n\n") == paragraphs
    assert not {"parse", "link_names"} & body.keys()  # with which @channel would be a mention
    assert body.get("blocks", "[]") == body.get("attachments", "[]") == "[]"


def test_the_api_is_sent_the_sentence_the_cure_and_the_link(slack: RecordingServer) -> None:
    tell_by({"notifier": "slack", "connection": "chat", "arguments": {"channel": "#night"}})
    (sent,) = slack.sent
    assert (sent.method, sent.path) == ("POST", "/api/chat.postMessage")
    assert sent.headers["authorization"] == "Bearer xoxb-hunter2"
    assert sent.json["channel"] == "#night"
    assert sent.json["unfurl_links"] is sent.json["unfurl_media"] is False  # Slack would call at addresses in data
    assert_is_text_alone(sent.json, PARAGRAPHS)


@pytest.mark.parametrize(
    ("receiver", "paragraphs"),
    [
        ({"notifier": "slack_webhook", "connection": "hook"}, PARAGRAPHS),
        (
            {"notifier": PATH, "arguments": {"slack_webhook_conn_id": "hook", "text": "{{ strata.message }}"}},
            PARAGRAPHS[1:],
        ),
        (
            {"notifier": "slack_webhook", "connection": "hook", "arguments": {"text": "<!here> {{ strata.sentence }}"}},
            [f"<!here> {SHOWN}"],
        ),
    ],
    ids=["by its short name", "by its class", "in the words of the definition, which may mention whom they like"],
)
def test_a_webhook_is_sent_data_as_text_and_nothing_else(
    slack: RecordingServer, receiver: dict[str, Any], paragraphs: list[str]
) -> None:
    tell_by(receiver)
    (sent,) = slack.sent
    assert (sent.method, sent.path) == ("POST", "/services/T0/B0/hunter2")
    if receiver["notifier"] != PATH:  # which takes its arguments as they are
        assert sent.json["unfurl_links"] is sent.json["unfurl_media"] is False
    assert_is_text_alone(sent.json, paragraphs)


@pytest.mark.parametrize(
    ("answer", "receiver", "reason"),
    [
        (Answer(404, "no_service"), {"notifier": "slack_webhook", "connection": "hook"}, "no_service"),
        (
            Answer(200, {"ok": False, "error": "not_in_channel"}),
            {"notifier": "slack", "connection": "chat"},
            "not_in_channel: The request",
        ),
    ],
    ids=["a webhook that was taken away", "a channel that the app is not in"],
)
def test_what_slack_refuses_is_a_warning_with_its_reason_and_without_secrets(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    answer: Answer,
    receiver: dict[str, Any],
    reason: str,
) -> None:
    with serving(answer) as server, caplog.at_level(logging.INFO):
        connect(monkeypatch, server)
        tell_by(receiver)
        assert len(server.sent) == 1
    (warned,) = [record.getMessage() for record in caplog.records if "could not be told of" in record.getMessage()]
    assert reason in warned
    assert "hunter2" not in caplog.text
