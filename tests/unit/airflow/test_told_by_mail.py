"""What a mail shows in the words of a definition: what Strata found is text there, too."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from opensearch_strata.airflow.alarms import tell
from opensearch_strata.workflows.alarms.alarm import Alarm
from tests.servers.smtp import MailServer
from tests.streams import dataset_of


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (None, '<div style="white-space: pre-wrap">a &lt;b&gt; &amp; c\n\nDo this.\n\nhttp://airflow/log</div>'),
        ("<p>{{ strata.sentence }}</p>", "<p>a &lt;b&gt; &amp; c</p>"),
        ("<p>{{ strata.sentence | e }}</p>", "<p>a &lt;b&gt; &amp; c</p>"),
    ],
)
def test_a_mail_shows_data_as_text(words: str | None, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = {"to": "night@example.com", "subject": "{{ strata.dataset }} & others"}
    if words:
        arguments["html_content"] = words
    receiver = {"notifier": "smtp", "connection": "mail", "arguments": arguments}
    dataset = dataset_of("flights", cycle={"notify": {"to": [receiver]}})
    context: Any = {"ti": SimpleNamespace(log_url="http://airflow/log")}
    with MailServer() as server:
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "strata@example.com"}
        fields = {"conn_type": "smtp", "host": "127.0.0.1", "port": server.port, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_MAIL", json.dumps(fields))
        tell(context, dataset, [Alarm("proof", "flights", "one", "a proof failed", "a <b> & c", "Do this.")])
    (mail,) = server.mails
    assert mail.html.strip().replace("\r\n", "\n") == shown
    assert mail.message["Subject"] == "flights & others"
