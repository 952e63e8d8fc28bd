"""The Airflow hook for OpenSearch: an Airflow connection in, a checked client out."""

from __future__ import annotations

import base64
import json
import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.sdk import BaseHook
from airflow.sdk.log import amask_secret, mask_secret
from asgiref.sync import sync_to_async
from pydantic import TypeAdapter, ValidationError

from opensearch_strata.connections.opensearch import ClientSettings, build_async_client, build_client
from opensearch_strata.connections.sigv4 import sigv4_settings
from opensearch_strata.errors import DefinitionError, Refused
from opensearch_strata.errors.judging import explain

if TYPE_CHECKING:
    from airflow.sdk import Connection
    from opensearchpy import AsyncOpenSearch, OpenSearch

CLIENT_EXTRAS = frozenset(
    {
        "auth",
        "aws_service",
        "ca_certs",
        "headers",
        "http_compress",
        "max_retries",
        "opaque_id",
        "pool_size",
        "region_name",
        "ssl_assert_hostname",
        "timeout",
        "verify_certs",
    }
)
"""Extras that set the field of the same name in :class:`ClientSettings`."""
URL_EXTRAS = frozenset({"scheme", "url_prefix", "use_ssl"})
AWS_EXTRAS = frozenset({"aws_conn_id", "aws_service", "region_name"})


class OpenSearchHook(BaseHook):
    """Clients for the OpenSearch cluster that an Airflow connection names.

    Reads the fields of the connection form of ``apache-airflow-providers-opensearch`` (host, port, login, password, and
    the extras ``use_ssl``, ``scheme``, ``url_prefix``, ``verify_certs``, ``timeout``, ``headers``, ``http_compress``,
    ``opaque_id``) and these further extras: ``auth`` (``basic``, ``sigv4``, ``none``), ``aws_conn_id`` (default: the
    chain of boto3), ``region_name``, ``aws_service`` (``es``, ``aoss``), ``ca_certs``, ``ssl_assert_hostname``,
    ``pool_size``, ``max_retries``.

    Where it differs from the provider, it is the safer one: it checks certificates unless ``verify_certs`` is false, it
    accepts a URL as host, and it reads a bare host without ``use_ssl`` or ``scheme`` as https if there is a login or
    SigV4, otherwise as http. So no password is sent in clear text unless the connection says ``http``. A missing port
    means 443 for an ``https://`` host and for SigV4, otherwise 9200.

    :param opensearch_conn_id: the connection; it is read when a client is first requested
    """

    conn_name_attr = "opensearch_conn_id"
    default_conn_name = "opensearch_default"
    conn_type = "opensearch"
    hook_name = "OpenSearch"

    def __init__(self, opensearch_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.opensearch_conn_id = opensearch_conn_id

    @cached_property
    def settings(self) -> ClientSettings:
        """The settings of the connection, checked.

        :raises DefinitionError: the connection contradicts itself; the message says how to correct it
        """
        connection = self.get_connection(self.opensearch_conn_id)
        extra = self._extra(connection)
        mask_secret(extra)
        settings = self._settings(connection, extra)
        if header := _basic_header(settings):
            mask_secret(header)
        return settings

    @cached_property
    def client(self) -> OpenSearch:
        """The client for tasks, one per hook."""
        _quieten_request_log()
        return build_client(self.settings)

    def get_conn(self) -> OpenSearch:
        """Return the same client, under Airflow's usual name."""
        return self.client

    async def async_client(self) -> AsyncOpenSearch:
        """Build a new client for triggers; close it with ``await client.close()``.

        :raises DefinitionError: the connection contradicts itself; the message says how to correct it
        """
        connection = await self.aget_connection(self.opensearch_conn_id)
        extra = self._extra(connection)
        await amask_secret(extra)
        # In a thread, because looking up AWS credentials blocks.
        settings = await sync_to_async(self._settings)(connection, extra)
        if header := _basic_header(settings):
            await amask_secret(header)
        _quieten_request_log()
        return build_async_client(settings)

    def _extra(self, connection: Connection) -> dict[str, Any]:
        """Parse the extra; Airflow's method for triggers exists in 3.3.2, but not in the 3.3.1 of managed Airflow."""
        try:
            return dict(json.loads(connection.extra or "{}"))
        except (ValueError, TypeError):
            raise DefinitionError(
                f"The extra of connection {self.opensearch_conn_id!r} is not a JSON object; correct it."
            ) from None

    @property
    def is_serverless(self) -> bool:
        """Whether the connection points to OpenSearch Serverless (``aoss``)."""
        return self.settings.is_serverless

    def refuse_serverless(self) -> None:
        """Stop before anything is sent to a service that lacks the API that we need.

        :raises Refused: the connection points to OpenSearch Serverless
        """
        if self.is_serverless:
            raise Refused(
                f"Connection {self.opensearch_conn_id!r} points to OpenSearch Serverless, which lacks "
                "transforms, refresh and write blocks. Nothing was sent; use a managed domain "
                "(aws_service: es) or a cluster of your own."
            )

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the cluster answers, and a sentence on what it is, or on what is wrong and how to fix it."""
        try:
            self.refuse_serverless()
            answer = self.client.info()
        except Exception as error:  # noqa: BLE001 - any failure is the answer
            return False, " ".join(filter(None, [explain(error), self._cure(error)]))
        version = answer.get("version", {})
        found = f"{version.get('distribution', 'a product other than OpenSearch, version')} {version.get('number')}"
        sentence = f"{self.settings.url} is cluster {answer.get('cluster_name')!r}, {found}."
        if version.get("distribution") != "opensearch":
            return False, f"{sentence} Strata needs OpenSearch; correct the host and the port of the connection."
        return True, sentence

    def _settings(self, connection: Connection, extra: dict[str, Any]) -> ClientSettings:
        extra = {name: value for name, value in extra.items() if value not in (None, "")}
        if unknown := sorted(extra.keys() - CLIENT_EXTRAS - URL_EXTRAS - AWS_EXTRAS):
            self.log.warning(
                "Connection %r has unknown extras, which are ignored: %s. The known extras are: %s.",
                self.opensearch_conn_id,
                ", ".join(unknown),
                ", ".join(sorted(CLIENT_EXTRAS | URL_EXTRAS | AWS_EXTRAS)),
            )
        try:
            return _client_settings(connection, extra)
        except DefinitionError as error:
            raise DefinitionError(f"Connection {self.opensearch_conn_id!r}: {error}") from None

    def _cure(self, error: Exception) -> str:
        """Say what to do about an error of the client; empty if the error's own sentence says it."""
        from opensearchpy.exceptions import ConnectionError as NoConnection
        from opensearchpy.exceptions import ConnectionTimeout, TransportError

        text = str(error)
        match error:
            case ConnectionTimeout():
                return f"Raise timeout (now {self.settings.timeout:g} s) or check the load on the cluster."
            case NoConnection() if "WRONG_VERSION_NUMBER" in text:
                return "That port speaks plain HTTP: write http:// before the host or set use_ssl to false."
            case NoConnection() if "CERTIFICATE_VERIFY_FAILED" in text:
                return "Name the PEM file of the authority that signed the certificate in ca_certs."
            case NoConnection():
                return (
                    f"Check that OpenSearch listens on {self.settings.url}, with this scheme, "
                    "and that this machine can reach it."
                )
            case TransportError(status_code=401) if self.settings.auth == "none":
                return "Enter a login and a password, or set auth to sigv4."
            case TransportError(status_code=401):
                return "Check the login and the password."
            case TransportError(status_code=403) if self.settings.auth == "sigv4":
                return "Check region_name, aws_service and the access policy of the domain."
            case TransportError(status_code=403):
                return "Grant the user's role cluster:monitor/main."
        return ""


def _client_settings(connection: Connection, extra: dict[str, Any]) -> ClientSettings:
    auth = extra.get("auth") or ("basic" if connection.login or connection.password else "none")
    settings = {name: extra[name] for name in CLIENT_EXTRAS & extra.keys()} | {
        "auth": auth,
        "url": _url(connection, extra, auth),
        "username": connection.login,
        "password": connection.password,
    }
    if auth == "sigv4":
        settings |= _aws_identity(extra, settings["url"])
    elif aws := sorted(AWS_EXTRAS & extra.keys()):
        raise DefinitionError(
            f"Only SigV4 uses {', '.join(aws)}; set auth to sigv4 or remove {'it' if len(aws) == 1 else 'them'}."
        )
    return ClientSettings.checked(**settings)


def _url(connection: Connection, extra: dict[str, Any], auth: str) -> str:
    """Build one URL from the fields and extras that each state a part of it."""
    if not connection.host:
        raise DefinitionError("It has no host; enter one, such as https://search.example.com.")
    written, _, rest = connection.host.rpartition("://")
    use_ssl = _flag(extra, "use_ssl")
    schemes = {written, str(extra.get("scheme", "")), {None: "", True: "https", False: "http"}[use_ssl]} - {""}
    if len(schemes) > 1:
        raise DefinitionError(
            f"Host, scheme and use_ssl contradict each other ({' and '.join(sorted(schemes))}); keep one of them."
        )
    scheme = schemes.pop() if schemes else ("http" if auth == "none" else "https")
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        port = parts.port
    except ValueError:
        raise DefinitionError("Its host cannot be parsed; write it like https://search.example.com.") from None
    if parts.username is not None:
        raise DefinitionError("Its host contains a login; move it to the fields Login and Password.")
    if port and connection.port and port != connection.port:
        raise DefinitionError(f"The host says port {port}, but the field Port {connection.port}; keep one of them.")
    default = None if written == "https" else 443 if auth == "sigv4" else 9200
    port = port or connection.port or default
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    prefix = parts.path.strip("/") or str(extra.get("url_prefix", "")).strip("/")
    return f"{scheme}://{host}{f':{port}' if port else ''}{f'/{prefix}' if prefix else ''}"


def _flag(extra: dict[str, Any], name: str) -> bool | None:
    """Read a yes or no as people type it into JSON: true, "true", "1", ..."""
    try:
        return TypeAdapter(bool).validate_python(extra[name]) if name in extra else None
    except ValidationError:
        raise DefinitionError(f"{name} must be true or false.") from None


def _aws_identity(extra: dict[str, Any], url: str) -> dict[str, Any]:
    """Read what SigV4 needs from the AWS connection; its secrets are masked from here on."""
    from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook

    hook: AwsGenericHook[Any] = AwsGenericHook(
        aws_conn_id=extra.get("aws_conn_id"), region_name=extra.get("region_name")
    )
    settings = sigv4_settings(hook.get_session(region_name=hook.region_name), url)
    if credentials := settings["credentials"]:
        frozen = credentials.get_frozen_credentials()
        for secret in filter(None, [frozen.secret_key, frozen.token]):
            mask_secret(secret)
    return settings


def _quieten_request_log() -> None:
    """Stop opensearch-py from logging every request at INFO, which buries a task's own lines; a level set stays."""
    logger = logging.getLogger("opensearch")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)


def _basic_header(settings: ClientSettings) -> str:
    """Return what basic authentication sends: Airflow masks the password as such, but not in this form."""
    if settings.auth != "basic" or settings.password is None:
        return ""
    return base64.b64encode(f"{settings.username}:{settings.password.get_secret_value()}".encode()).decode()
