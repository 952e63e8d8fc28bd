"""Clients against a real server on this machine: what they send, whom they trust, what they try again."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import math
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from opensearchpy.exceptions import ConnectionError as NoConnection
from opensearchpy.exceptions import ConnectionTimeout, SSLError, TransportError
from pydantic import ValidationError

from opensearch_strata.connections.opensearch import ClientSettings, build_async_client, build_client
from opensearch_strata.errors import DefinitionError
from tests.servers.recording_server import Answer, RecordingServer, Sent, self_signed, serving

PASSWORD = "correct horse/battery"


def ask(settings: ClientSettings, asynchronous: bool = False) -> Any:
    """Ask the cluster who it is, with a client of its own."""
    if not asynchronous:
        client = build_client(settings)
        try:
            return client.info()
        finally:
            client.close()

    async def ask_async() -> Any:
        client = build_async_client(settings)
        try:
            return await client.info()
        finally:
            await client.close()

    return asyncio.run(ask_async())


both_clients = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


@pytest.mark.parametrize(
    ("typed", "url", "login"),
    [
        ("http://127.0.0.1:19200", "http://127.0.0.1:19200", (None, None)),
        ("http://search", "http://search:9200", (None, None)),
        ("https://search.example.com", "https://search.example.com:443", (None, None)),
        ("https://search.example.com:9200/logs", "https://search.example.com:9200/logs", (None, None)),
        ("https://ada:p%40ss%2Fw@search:9200", "https://search:9200", ("ada", "p@ss/w")),
        ("http://[::1]:9200", "http://[::1]:9200", (None, None)),
    ],
)
def test_url_is_read_as_typed_in_a_shell(typed: str, url: str, login: tuple[str | None, str | None]) -> None:
    settings = ClientSettings.from_url(typed)
    password = settings.password.get_secret_value() if settings.password else None
    assert (settings.url, (settings.username, password)) == (url, login)
    assert settings.auth == ("basic" if login[0] else "none")
    assert settings.verify_certs


@pytest.mark.parametrize(
    ("url", "settings", "sentence"),
    [
        ("search:9200", {}, "must look like https://host:9200"),
        ("ftp://search", {}, "must look like https://host:9200"),
        ("http://search:99999", {}, "number up to 65535"),
        (f"https://ada:{PASSWORD}@search", {}, "URL of OpenSearch"),  # an unescaped slash cuts the host off
        ("https://ada:p℀ss@search", {}, "cannot be read"),
        ("https://ada@search", {}, "both a login and a password"),
        ("https://search", {"auth": "sigv4", "region_name": "eu-west-1"}, "needs AWS credentials, and none were found"),
        (f"https://ada:{PASSWORD[:7]}@search", {"auth": "none"}, "remove the login"),
        ("https://x.eu-west-1.aoss.amazonaws.com", {}, "aws_service to aoss"),
        ("https://search", {"ca_certs": "/no/such/file.pem"}, "ca_certs"),
        ("https://search", {"timeout": 0}, "timeout"),
        ("https://search", {"tiemout": 3}, "tiemout"),
    ],
)
def test_wrong_settings_are_one_sentence_without_the_password(
    url: str, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        ClientSettings.from_url(url, **settings)
    message = str(caught.value)
    assert sentence in message
    assert message.endswith(".")
    assert "horse" not in message
    assert "p℀ss" not in message


def test_settings_that_are_refused_do_not_show_secrets_either() -> None:
    with pytest.raises(ValidationError) as caught:
        ClientSettings(url="https://search", auth="basic", password="hunter22")
    assert "hunter22" not in str(caught.value)


def test_settings_never_show_secrets() -> None:
    settings = ClientSettings.from_url(
        "https://ada:hunter22@search", headers={"authorization": "hunter22"}, credentials="hunter22"
    )
    assert "hunter22" not in f"{settings!r} {settings} {settings.model_dump_json(exclude={'headers'})}"


@both_clients
def test_client_names_itself_and_packs_what_it_sends(asynchronous: bool) -> None:
    with serving() as server:
        url = f"http://ada:pässwörd-ł@127.0.0.1:{server.port}/logs"
        settings = ClientSettings.from_url(url, http_compress=True)
        query: dict[str, Any] = {"query": {"match_all": {}}}

        async def search_async() -> None:
            client = build_async_client(settings)
            await client.search(index="i", body=query)
            await client.close()

        if asynchronous:
            asyncio.run(search_async())
        else:
            build_client(settings).search(index="i", body=query)
    (sent,) = server.sent
    assert sent.path == "/logs/i/_search"
    assert sent.headers["content-encoding"] == "gzip"
    assert sent.json == query
    assert sent.headers["x-opaque-id"] == "strata"
    scheme, encoded = sent.headers["authorization"].split()
    assert (scheme, base64.b64decode(encoded).decode()) == ("Basic", "ada:pässwörd-ł")


@pytest.mark.parametrize(
    ("url", "is_remote"),
    [
        ("http://127.0.0.1:9200", False),
        ("http://localhost", False),
        ("http://[::1]:9200", False),
        ("https://search.example.com", True),
        ("http://10.0.0.7:9200", True),
    ],
)
def test_only_what_goes_over_a_network_is_packed(url: str, is_remote: bool) -> None:
    assert ClientSettings.from_url(url).is_remote == is_remote


def test_nothing_is_packed_for_this_machine() -> None:
    with serving() as server:
        build_client(ClientSettings.from_url(server.url)).search(index="i", body={"query": {"match_all": {}}})
    assert "content-encoding" not in server.sent[0].headers


@both_clients
@pytest.mark.parametrize("value", [math.inf, "\ud800", 2**64 - 1], ids=["no number", "half a pair", "unsigned_long"])
def test_answers_that_are_hardly_json_are_read(value: Any, asynchronous: bool) -> None:
    with serving(Answer(200, {"tagline": value})) as server:
        assert ask(ClientSettings.from_url(server.url), asynchronous) == {"tagline": value}


@both_clients
def test_unknown_certificate_is_refused_unless_its_authority_is_named(asynchronous: bool, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    with serving(certificate=certificate) as server:
        url = f"https://localhost:{server.port}"
        with pytest.raises(NoConnection, match="CERTIFICATE_VERIFY_FAILED"):
            ask(ClientSettings.from_url(url, max_retries=0), asynchronous)
        assert not server.sent
        assert ask(ClientSettings.from_url(url, ca_certs=certificate), asynchronous)["cluster_name"] == "docks"


@both_clients
def test_certificate_of_another_host_is_refused_unless_told_otherwise(asynchronous: bool, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "elsewhere")
    with serving(certificate=certificate) as server:
        trusted = {"ca_certs": certificate, "max_retries": 0}
        with pytest.raises(NoConnection, match=r"127\.0\.0\.1"):
            ask(ClientSettings.from_url(server.url, **trusted), asynchronous)
        assert not server.sent
        ask(ClientSettings.from_url(server.url, **trusted, ssl_assert_hostname=False), asynchronous)
        assert len(server.sent) == 1


@both_clients
@pytest.mark.filterwarnings("ignore")  # the client and urllib3 both warn, as they should
def test_certificate_checks_can_be_switched_off(asynchronous: bool, tmp_path: Path) -> None:
    with serving(certificate=self_signed(tmp_path, "elsewhere")) as server:
        ask(ClientSettings.from_url(server.url, verify_certs=False), asynchronous)
        assert len(server.sent) == 1


def test_sync_client_calls_a_wrong_certificate_by_its_name(tmp_path: Path) -> None:
    with serving(certificate=self_signed(tmp_path)) as server, pytest.raises(SSLError):
        ask(ClientSettings.from_url(server.url, max_retries=0))


@both_clients
@pytest.mark.parametrize("status", [502, 503, 504])
def test_short_outage_is_ridden_out(status: int, asynchronous: bool) -> None:
    with serving(Answer(status, "later"), Answer(status, "later"), Answer()) as server:
        ask(ClientSettings.from_url(server.url), asynchronous)
    assert len(server.sent) == 3


@both_clients
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_other_answers_are_passed_on_at_once(status: int, asynchronous: bool) -> None:
    with serving(Answer(status, {"error": "no"}), Answer()) as server, pytest.raises(TransportError):
        ask(ClientSettings.from_url(server.url), asynchronous)
    assert len(server.sent) == 1


@both_clients
def test_slow_request_is_not_sent_twice(asynchronous: bool) -> None:
    with serving(Answer(after=0.5)) as server, pytest.raises(ConnectionTimeout):
        ask(ClientSettings.from_url(server.url, timeout=0.1), asynchronous)
    assert len(server.sent) == 1


class RotatingCredentials(Credentials):  # type: ignore[misc]  # botocore has no types
    """Credentials whose key changes with every request, as refreshable ones do now and then."""

    turn = 0

    def get_frozen_credentials(self) -> Any:
        self.turn += 1
        return Credentials(f"AKIDEXAMPLE{self.turn}", "secret", "session").get_frozen_credentials()


def signature_of(sent: Sent, server: RecordingServer) -> str:
    """Sign again, from what arrived, what the client says it signed."""
    words = dict(word.split("=", 1) for word in sent.headers["authorization"].replace(",", "").split()[1:])
    key = words["Credential"].split("/")[0]
    signed = {name: sent.headers[name] for name in words["SignedHeaders"].split(";")}
    request = AWSRequest(sent.method, f"{server.url}{sent.path}", headers=signed, data=sent.body)
    request.context["timestamp"] = sent.headers["x-amz-date"]
    signer = SigV4Auth(Credentials(key, "secret", "session"), "es", "eu-west-1")
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


@both_clients
def test_sigv4_signs_each_request_with_the_credentials_of_that_moment(asynchronous: bool) -> None:
    with serving() as server:
        settings = ClientSettings.from_url(
            server.url,
            auth="sigv4",
            region_name="eu-west-1",
            credentials=RotatingCredentials("unused", "unused"),
            http_compress=True,
        )

        async def twice() -> None:
            client = build_async_client(settings)
            for word in "one", "two":
                await client.search(index=f"flights-{word}", body={"query": {"match_all": {}}}, size=0)
            await client.close()

        if asynchronous:
            asyncio.run(twice())
        else:
            client = build_client(settings)
            for word in "one", "two":
                client.search(index=f"flights-{word}", body={"query": {"match_all": {}}}, size=0)
    assert len(server.sent) == 2
    for turn, sent in enumerate(server.sent, 1):
        assert f"Credential=AKIDEXAMPLE{turn}/" in sent.headers["authorization"]
        assert "/eu-west-1/es/aws4_request" in sent.headers["authorization"]
        assert sent.headers["x-amz-security-token"] == "session"
        assert sent.headers["x-amz-content-sha256"] == hashlib.sha256(sent.body).hexdigest()
        assert sent.headers["content-encoding"] == "gzip"
        assert sent.headers["authorization"].endswith(f"Signature={signature_of(sent, server)}")


class RoleToBeAssumed(Credentials):  # type: ignore[misc]  # botocore has no types
    """Credentials that are renewed over a network, which answers only while the event loop goes on."""

    answered = Event()

    def get_frozen_credentials(self) -> Any:
        if not self.answered.wait(10):
            raise TimeoutError("the event loop stood still while credentials were renewed")
        return super().get_frozen_credentials()


def test_an_event_loop_goes_on_while_credentials_are_renewed() -> None:
    with serving() as server:
        credentials = RoleToBeAssumed("AKIDEXAMPLE", "secret")
        settings = ClientSettings.from_url(server.url, auth="sigv4", region_name="eu-west-1", credentials=credentials)

        async def another_trigger() -> None:
            await asyncio.sleep(0.05)
            credentials.answered.set()

        async def ask_beside_it() -> None:
            async with build_async_client(settings) as client:
                await asyncio.gather(client.info(), another_trigger())

        asyncio.run(ask_beside_it())
    assert len(server.sent) == 1


@pytest.mark.parametrize(("status", "warnings"), [(404, 0), (400, 0), (403, 1), (429, 1), (500, 1)])
def test_what_a_healthy_run_asks_for_in_vain_is_no_warning(
    status: int, warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    with build_client(ClientSettings.from_url("http://127.0.0.1:1")) as client:
        connection = client.transport.get_connection()
        connection.log_request_fail("GET", "http://127.0.0.1:1/x", "/x", b"", 0.1, status, "{}")
        connection.log_request_fail("GET", "http://127.0.0.1:1/x", "/x", b"", 0.1, status_code=status)
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(told) == 2 * warnings
