"""The shell and an OpenSearch of AWS: which requests are signed, as whom, and what it says when they cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from opensearch_strata.archive.store.objects import build_s3
from opensearch_strata.cli.app import app
from opensearch_strata.cli.connection import client_settings, connected, is_serverless
from opensearch_strata.connections.sigv4 import aws_endpoint
from opensearch_strata.errors import DefinitionError
from tests.servers.recording_server import serving
from tests.shell import ENVIRONMENT
from tests.streams import definition_of

DOMAIN = "https://search-logs-x7.eu-west-1.es.amazonaws.com"
COLLECTION = "https://x7.us-east-2.aoss.amazonaws.com"
SECRET = "aws-secret-key"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET}
Environ = Callable[..., None]
LOGIN = {"OPENSEARCH_USERNAME": "ada", "OPENSEARCH_PASSWORD": "correct-horse"}


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without a cluster, a login or credentials of AWS."""
    for name in (
        *ENVIRONMENT,
        *KEYS,
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> Environ:
    """Set variables of the environment."""

    def put(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return put


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one sound dataset."""
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(definition_of("t")), "utf-8")
    return tmp_path


@pytest.mark.parametrize("service", ["es", "aoss"])
@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_requests_are_signed_as_the_aws_cli_would(service: str, variable: str, environ: Environ) -> None:
    environ(**KEYS, AWS_SESSION_TOKEN="session", OPENSEARCH_AWS_SERVICE=service, **{variable: "eu-west-1"})
    with serving() as server, connected(server.url, None, serverless=True) as client:
        client.info()
    (sent,) = server.sent
    assert sent.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert f"/eu-west-1/{service}/aws4_request" in sent.headers["authorization"]
    assert sent.headers["x-amz-security-token"] == "session"
    assert SECRET not in str(sent.headers)


def test_s3_is_reached_in_the_region_of_the_aws_cli(environ: Environ) -> None:
    environ(**KEYS, AWS_REGION="ap-south-1", AWS_DEFAULT_REGION="eu-west-1")
    s3 = build_s3()
    assert s3.meta.region_name == "ap-south-1"
    s3.close()


def test_a_profile_says_who_and_where(environ: Environ, tmp_path: Path) -> None:
    (tmp_path / "AWS_SHARED_CREDENTIALS_FILE").write_text(
        f"[logs]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = {SECRET}\n"
    )
    (tmp_path / "AWS_CONFIG_FILE").write_text("[profile logs]\nregion = ap-south-1\n")
    environ(AWS_PROFILE="logs", OPENSEARCH_AWS_SERVICE="es")
    with serving() as server, connected(server.url, None) as client:
        client.info()
    assert "Credential=AKIDPROFILE/" in server.sent[0].headers["authorization"]
    assert "/ap-south-1/es/aws4_request" in server.sent[0].headers["authorization"]


@pytest.mark.parametrize(
    ("url", "service", "region"),
    [
        (DOMAIN, "es", "eu-west-1"),
        ("https://vpc-logs-x7.us-gov-west-1.es.amazonaws.com:443/", "es", "us-gov-west-1"),
        ("https://search-logs-x7.cn-north-1.es.amazonaws.com.cn", "es", "cn-north-1"),
        (COLLECTION, "aoss", "us-east-2"),
    ],
)
def test_a_host_of_aws_says_service_and_region(url: str, service: str, region: str, environ: Environ) -> None:
    environ(**KEYS, AWS_REGION="eu-central-1")
    settings = client_settings(url, None)
    assert (settings.auth, settings.aws_service, settings.region_name) == ("sigv4", service, region)
    assert is_serverless(url) == (service == "aoss")


@pytest.mark.parametrize(
    "url",
    [
        "https://es.amazonaws.com.example.com",
        "https://x.eu-west-1.es.amazonaws.com.example.com",
        "https://x-eu-west-1.es.amazonaws.com",
        "https://search.example.com/x.eu-west-1.es.amazonaws.com",
        "http://[half",
    ],
)
def test_other_hosts_say_nothing(url: str) -> None:
    assert aws_endpoint(url) is None


def test_a_login_goes_unsigned_to_a_domain(environ: Environ) -> None:
    environ(**KEYS, **LOGIN)
    settings = client_settings(DOMAIN, None)
    assert (settings.auth, settings.username) == ("basic", "ada")
    assert client_settings(DOMAIN.replace("//", "//bob:staple@"), None).username == "bob"


def test_other_clusters_are_not_signed_for(environ: Environ) -> None:
    environ(**KEYS, AWS_REGION="eu-west-1", OPENSEARCH_AWS_SERVICE="")
    assert client_settings("https://search.example.com", None).auth == "none"


@pytest.mark.parametrize(
    ("url", "variables", "sentence"),
    [
        ("https://logs.example.com", {"OPENSEARCH_AWS_SERVICE": "opensearch"}, "is 'opensearch'; set it to es"),
        (DOMAIN, {"OPENSEARCH_AWS_SERVICE": "aoss"}, "is aoss, but the host belongs to es; unset it"),
        (COLLECTION, {"OPENSEARCH_AWS_SERVICE": "es"}, "is es, but the host belongs to aoss; unset it"),
        (COLLECTION, LOGIN, "There is a login, but requests for aoss are signed"),
        (DOMAIN.replace("//", "//ada:correct-horse@"), {"OPENSEARCH_AWS_SERVICE": "es"}, "remove the login"),
        ("https://logs.example.com", {**LOGIN, "OPENSEARCH_AWS_SERVICE": "es"}, "remove the login"),
        (DOMAIN, {}, "needs AWS credentials, and none were found; set AWS_PROFILE or AWS_ACCESS_KEY_ID"),
        ("https://logs.example.com", {**KEYS, "OPENSEARCH_AWS_SERVICE": "es"}, "none was found; set AWS_REGION"),
        (DOMAIN, {"AWS_PROFILE": "nope"}, "The config profile (nope) could not be found"),
        (DOMAIN, {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE"}, "No credentials for AWS were found"),
        ("https://ada:correct-horse@[half", {"OPENSEARCH_AWS_SERVICE": "es"}, "cannot be read"),
    ],
)
def test_what_does_not_fit_is_one_sentence_with_the_cure(
    url: str, variables: dict[str, str], sentence: str, environ: Environ
) -> None:
    environ(**variables)
    with pytest.raises(DefinitionError) as caught:
        client_settings(url, None)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")
    assert SECRET not in str(caught.value)
    assert "horse" not in str(caught.value)


@pytest.mark.parametrize(
    "line", ["status t", "condense t 2024-05-01", "expire t --day 2024-05-01", "cycle t 2024-05-01"]
)
def test_serverless_is_refused_where_it_lacks_what_is_needed(line: str, environ: Environ, folder: Path) -> None:
    environ(**KEYS, AWS_REGION="eu-west-1", OPENSEARCH_AWS_SERVICE="aoss")
    with serving() as server:
        result = CliRunner().invoke(app, [*line.split(), "--url", server.url, "--datasets-dir", str(folder)])
    assert result.exit_code == 1
    assert "OpenSearch Serverless lacks what this command needs" in result.stderr
    assert not server.sent


def test_help_names_the_variable() -> None:
    assert "OPENSEARCH_AWS_SERVICE" in CliRunner().invoke(app, ["backfill", "--help"]).stdout
