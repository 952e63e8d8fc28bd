"""The hook: what each way of filling in the connection form means, and what it says when it makes no sense."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.opensearch.get_provider_info import get_provider_info as other_provider
from airflow.providers.opensearch.hooks.opensearch import OpenSearchHook as ProviderHook
from airflow.sdk import Connection
from structlog.testing import capture_logs

from opensearch_strata.airflow.hooks import opensearch
from opensearch_strata.airflow.hooks.opensearch import OpenSearchHook
from opensearch_strata.airflow.provider import CONNECTION_TYPE, get_provider_info
from opensearch_strata.connections.opensearch import ClientSettings
from opensearch_strata.errors import DefinitionError, Refused
from tests.servers.recording_server import Answer, self_signed, serving

Connect = Callable[..., OpenSearchHook]

PASSWORD = "hunter22-hunter22"


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Define the Airflow connection ``search`` and give its hook."""

    def define(extra: dict[str, Any] | None = None, **fields: Any) -> OpenSearchHook:
        connection = {"conn_type": "opensearch", "extra": extra or {}, **fields}
        monkeypatch.setenv("AIRFLOW_CONN_SEARCH", json.dumps(connection))
        return OpenSearchHook("search")

    return define


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """An AWS connection ``cloud`` with fixed keys and a region; no other credentials on this machine count."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv(
        "AIRFLOW_CONN_CLOUD",
        json.dumps(
            {
                "conn_type": "aws",
                "login": "AKIDEXAMPLE",
                "password": "aws-secret-key",
                "extra": {"region_name": "eu-west-1"},
            }
        ),
    )


LOGIN = {"login": "ada", "password": PASSWORD}


@pytest.mark.parametrize(
    ("fields", "extra", "url"),
    [
        # No word about TLS: a password goes encrypted, nobody needs to be surprised without one.
        ({"host": "search", "port": 9200}, {}, "http://search:9200"),
        ({"host": "search", "port": 9200, **LOGIN}, {}, "https://search:9200"),
        ({"host": "search", **LOGIN}, {}, "https://search:9200"),
        # The provider's ways to say it.
        ({"host": "search", "port": 9200}, {"use_ssl": True}, "https://search:9200"),
        ({"host": "search", "port": 9200, **LOGIN}, {"use_ssl": False}, "http://search:9200"),
        ({"host": "search", **LOGIN}, {"use_ssl": "false"}, "http://search:9200"),
        ({"host": "search", "port": 443}, {"scheme": "https", "use_ssl": "true"}, "https://search:443"),
        ({"host": "search"}, {"use_ssl": True, "url_prefix": "/logs/"}, "https://search:9200/logs"),
        # A URL as host, which the provider's hook takes for a name.
        ({"host": "https://search"}, {}, "https://search:443"),
        ({"host": "https://search", "port": 9200}, {}, "https://search:9200"),
        ({"host": "https://search:9200/logs/", **LOGIN}, {}, "https://search:9200/logs"),
        ({"host": "http://search", **LOGIN}, {}, "http://search:9200"),
        ({"host": "http://search", "port": 9200}, {"use_ssl": False}, "http://search:9200"),
        ({"host": "http://[::1]:9200"}, {}, "http://[::1]:9200"),
        ({"host": "search:9201"}, {"use_ssl": None, "scheme": ""}, "http://search:9201"),
    ],
)
def test_form_becomes_one_url(connect: Connect, fields: dict[str, Any], extra: dict[str, Any], url: str) -> None:
    settings = connect(extra, **fields).settings
    assert settings.url == url
    assert settings.auth == ("basic" if "login" in fields else "none")


def test_certificates_are_checked_unless_the_connection_says_no(connect: Connect) -> None:
    assert connect(host="https://search").settings.verify_certs
    assert not connect({"verify_certs": "false"}, host="https://search").settings.verify_certs


def test_every_extra_of_the_provider_is_understood(connect: Connect) -> None:
    extra = {
        "use_ssl": True,
        "verify_certs": True,
        "url_prefix": "logs",
        "timeout": "7.5",
        "headers": {"x-team": "flights"},
        "http_compress": False,
        "opaque_id": "airflow",
        "scheme": "https",
    }
    with capture_logs() as logged:
        settings = connect(extra, host="search").settings
    assert settings.timeout == 7.5
    assert (settings.headers, settings.http_compress, settings.opaque_id) == (extra["headers"], False, "airflow")
    assert not logged


def test_unknown_extras_are_named(connect: Connect) -> None:
    with capture_logs() as logged:
        connect({"verify_cert": False, "use_tls": True}, host="search").settings  # noqa: B018
    (warning,) = logged
    assert warning["log_level"] == "warning"
    assert warning["event"].startswith(
        "Connection 'search' has unknown extras, which are ignored: use_tls, verify_cert. The known"
    )


@pytest.mark.parametrize(
    ("fields", "extra", "sentence"),
    [
        ({}, {}, "It has no host"),
        ({"host": "https://search"}, {"use_ssl": False}, "(http and https); keep one of them"),
        ({"host": "search"}, {"use_ssl": True, "scheme": "http"}, "(http and https); keep one of them"),
        ({"host": "search"}, {"use_ssl": "perhaps"}, "use_ssl must be true or false"),
        ({"host": "ftp://search"}, {}, "must look like https://host:9200"),
        ({"host": "https://search:9200", "port": 443}, {}, "port 9200, but the field Port 443"),
        ({"host": f"https://ada:{PASSWORD}@search"}, {}, "move it to the fields Login and Password"),
        ({"host": "search:port"}, {}, "host cannot be parsed"),
        ({"host": "search", "login": "ada"}, {}, "both a login and a password"),
        ({"host": "search", "password": PASSWORD}, {}, "both a login and a password"),
        ({"host": "search", **LOGIN}, {"auth": "none"}, "remove the login or set auth to basic"),
        ({"host": "search"}, {"auth": "basic"}, "both a login and a password"),
        ({"host": "search"}, {"auth": "kerberos"}, "The setting auth is invalid"),
        ({"host": "search"}, {"region_name": "eu-west-1"}, "Only SigV4 uses region_name; set auth to sigv4 or"),
        ({"host": "search", **LOGIN}, {"aws_conn_id": "x", "aws_service": "es"}, "set auth to sigv4 or remove"),
        ({"host": "https://search"}, {"ca_certs": "/no/such.pem"}, "The setting ca_certs is invalid"),
        ({"host": "search"}, {"timeout": "soon"}, "The setting timeout is invalid"),
    ],
)
def test_contradictions_are_one_sentence_that_names_the_connection(
    connect: Connect, fields: dict[str, Any], extra: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        connect(extra, **fields).settings  # noqa: B018
    message = str(caught.value)
    assert message.startswith("Connection 'search': ")
    assert sentence in message
    assert PASSWORD not in message


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("fields", "extra", "sentence"),
    [
        ({"host": "search", **LOGIN}, {"aws_conn_id": "cloud"}, "remove the login"),
        ({"host": "search"}, {}, "needs AWS credentials, and none were found"),
        ({"host": "search"}, {"aws_conn_id": "cloud", "ssl_assert_hostname": False}, "signs the host name"),
        ({"host": "https://x.eu-west-1.aoss.amazonaws.com"}, {"aws_conn_id": "cloud"}, "aws_service to aoss"),
    ],
)
def test_contradictions_about_sigv4(
    connect: Connect, fields: dict[str, Any], extra: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DefinitionError, match=sentence):
        connect({"auth": "sigv4", **extra}, **fields).settings  # noqa: B018


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(("region", "signed_for"), [(None, "eu-west-1"), ("us-east-2", "us-east-2")])
def test_sigv4_takes_identity_and_region_from_the_aws_connection(
    connect: Connect, region: str | None, signed_for: str
) -> None:
    with serving() as server:
        extra = {"auth": "sigv4", "aws_conn_id": "cloud", "region_name": region, "use_ssl": False}
        hook = connect(extra, host="127.0.0.1", port=server.port)
        hook.client.info()
        asyncio.run(ask_async(hook))
    assert len(server.sent) == 2
    for sent in server.sent:
        authorization = sent.headers["authorization"]
        assert authorization.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
        assert f"/{signed_for}/es/aws4_request" in authorization


@pytest.mark.usefixtures("aws")
def test_sigv4_needs_no_port_and_always_tls(connect: Connect) -> None:
    settings = connect({"auth": "sigv4", "aws_conn_id": "cloud"}, host="x.eu-west-1.es.amazonaws.com").settings
    assert settings.url == "https://x.eu-west-1.es.amazonaws.com:443"


@pytest.mark.usefixtures("aws")
def test_a_host_of_aws_says_the_region(connect: Connect) -> None:
    settings = connect({"auth": "sigv4", "aws_conn_id": "cloud"}, host="x.us-east-2.es.amazonaws.com").settings
    assert settings.region_name == "us-east-2"


@pytest.mark.usefixtures("aws")
def test_credentials_stay_refreshable(connect: Connect) -> None:
    """Frozen keys of an assumed role would expire in the middle of a long run."""
    credentials = connect({"auth": "sigv4", "aws_conn_id": "cloud"}, host="https://search").settings.credentials
    assert callable(credentials.get_frozen_credentials)


@pytest.mark.usefixtures("aws")
def test_serverless_is_refused_before_anything_is_sent(connect: Connect) -> None:
    with serving() as server:
        extra = {"auth": "sigv4", "aws_conn_id": "cloud", "aws_service": "aoss"}
        hook = connect(extra, host=server.url)
        assert hook.is_serverless
        with pytest.raises(Refused, match="points to OpenSearch Serverless"):
            hook.refuse_serverless()
        assert hook.test_connection()[0] is False
    assert not server.sent


def test_other_clusters_are_not_refused(connect: Connect) -> None:
    hook = connect(host="search")
    assert not hook.is_serverless
    hook.refuse_serverless()


async def ask_async(hook: OpenSearchHook) -> Any:
    client = await hook.async_client()
    try:
        return await client.info()
    finally:
        await client.close()


def test_task_and_trigger_send_the_same_login(connect: Connect) -> None:
    with serving() as server:
        hook = connect(host=server.url, **LOGIN)
        assert hook.get_conn() is hook.client
        assert hook.client.info() == asyncio.run(ask_async(hook))
    sync, asynchronous = (sent.headers["authorization"] for sent in server.sent)
    assert sync == asynchronous == "Basic " + base64.b64encode(f"ada:{PASSWORD}".encode()).decode()


def test_password_is_masked_in_the_form_it_is_sent(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    masked: list[Any] = []

    async def mask_async(secret: Any) -> None:
        masked.append(secret)

    monkeypatch.setattr(opensearch, "mask_secret", masked.append)
    monkeypatch.setattr(opensearch, "amask_secret", mask_async)
    with serving() as server:
        hook = connect({"timeout": 5}, host=server.url, **LOGIN)
        hook.client.info()
        asyncio.run(ask_async(hook))
    sent = [sent.headers["authorization"].removeprefix("Basic ") for sent in server.sent]
    assert masked == [{"timeout": 5}, sent[0], {"timeout": 5}, sent[1]]


def test_a_trigger_needs_nothing_that_came_after_airflow_3_3_0(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fetch(hook: OpenSearchHook, conn_id: str) -> Connection:
        return hook.get_connection(conn_id)  # what fetches for triggers uses what came with it

    monkeypatch.setattr(OpenSearchHook, "aget_connection", fetch)
    monkeypatch.delattr(Connection, "aextra_dejson", raising=False)
    with serving() as server:
        assert asyncio.run(ask_async(connect({"headers": {"x-part": "7"}}, host=server.url)))
    assert server.sent[0].headers["x-part"] == "7"


@pytest.mark.parametrize("extra", ["{", "[1]", "7"])
def test_an_extra_that_is_no_json_object_is_told(extra: str, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = connect(host="search")
    monkeypatch.setattr(OpenSearchHook, "get_connection", lambda *_: SimpleNamespace(extra=extra))
    with pytest.raises(DefinitionError, match=r"^The extra of connection 'search' is not a JSON object; correct it\.$"):
        hook.settings  # noqa: B018


@pytest.mark.parametrize(("configured", "effective"), [(logging.NOTSET, logging.WARNING), (logging.DEBUG,) * 2])
def test_requests_are_not_logged_one_by_one_unless_asked_for(connect: Connect, configured: int, effective: int) -> None:
    logger = logging.getLogger("opensearch")
    before = logger.level
    try:
        logger.setLevel(configured)
        connect(host="search").get_conn()
        assert logger.level == effective
    finally:
        logger.setLevel(before)


def test_nothing_is_read_before_a_client_is_asked_for() -> None:
    OpenSearchHook("no_such_connection")


def test_form_of_the_provider_fits() -> None:
    assert OpenSearchHook.conn_name_attr == ProviderHook.conn_name_attr
    assert OpenSearchHook.default_conn_name == ProviderHook.default_conn_name
    (theirs,) = other_provider()["connection-types"]
    assert theirs["connection-type"] == OpenSearchHook.conn_type == CONNECTION_TYPE["connection-type"]
    ours, theirs = CONNECTION_TYPE["ui-field-behaviour"], theirs["ui-field-behaviour"]
    assert ours["hidden-fields"] == theirs["hidden-fields"]
    assert ours["relabeling"] == theirs["relabeling"]
    example = json.loads(ours["placeholders"]["extra"])
    assert example.keys() <= opensearch.CLIENT_EXTRAS | opensearch.URL_EXTRAS


def test_the_form_is_left_to_the_provider_that_is_installed() -> None:
    assert get_provider_info()["connection-types"] == []


def test_extras_name_fields_of_the_client() -> None:
    assert ClientSettings.model_fields.keys() >= opensearch.CLIENT_EXTRAS


def test_connection_that_works_says_what_is_there(connect: Connect) -> None:
    with serving() as server:
        assert connect(host=server.url).test_connection() == (
            True,
            f"{server.url} is cluster 'docks', opensearch 3.4.0.",
        )


@pytest.mark.parametrize(
    ("answer", "login", "sentences"),
    [
        (Answer(401, "Unauthorized"), LOGIN, ["answered 401: Unauthorized.", "Check the login and the password."]),
        (Answer(401, "Unauthorized"), {}, ["Enter a login and a password, or set auth to sigv4."]),
        (Answer(403, {"error": "no permissions"}), LOGIN, ["no permissions.", "cluster:monitor/main"]),
        (Answer(500, {"error": "broken"}), {}, ["answered 500: broken."]),
        (
            Answer(200, {"cluster_name": "e", "version": {"number": "8.1.0"}}),
            {},
            ["a product other than OpenSearch, version 8.1.0", "Strata needs OpenSearch"],
        ),
        (Answer(after=0.3), {}, ["did not answer in time", "Raise timeout (now 0.1 s)"]),
    ],
)
def test_connection_that_fails_says_why_and_the_cure(
    connect: Connect, answer: Answer, login: dict[str, str], sentences: list[str]
) -> None:
    with serving(answer) as server:
        works, message = connect({"timeout": 0.1}, host=server.url, **login).test_connection()
    assert not works
    for sentence in sentences:
        assert sentence in message


def test_wrong_scheme_and_unknown_authority_are_told_apart(connect: Connect, tmp_path: Path) -> None:
    with serving() as server:
        _, message = connect({"max_retries": 0}, host=server.url.replace("http:", "https:")).test_connection()
        assert "That port speaks plain HTTP" in message
    with serving(certificate=self_signed(tmp_path)) as server:
        _, message = connect({"max_retries": 0}, host=server.url).test_connection()
        assert "in ca_certs" in message


def test_test_connection_never_raises(connect: Connect) -> None:
    assert OpenSearchHook("no_such_connection").test_connection()[0] is False
    works, message = connect(host="search", login="ada").test_connection()
    assert (works, message.startswith("Connection 'search': Basic authentication needs both")) == (False, True)
    works, message = connect({"max_retries": 0}, host="http://127.0.0.1:1").test_connection()
    assert (works, "Check that OpenSearch listens on http://127.0.0.1:1" in message) == (False, True)
