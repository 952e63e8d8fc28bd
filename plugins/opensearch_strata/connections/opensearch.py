"""OpenSearch clients built from validated settings; does not use Airflow, so tasks, triggers and the shell share it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from opensearch_strata.connections import typed_answers
from opensearch_strata.connections.sigv4 import AwsService
from opensearch_strata.errors import DefinitionError

if TYPE_CHECKING:
    from opensearchpy import AsyncHttpConnection, AsyncOpenSearch, OpenSearch, Urllib3HttpConnection
    from opensearchpy.serializer import JSONSerializer

RETRIED_STATUSES = (502, 503, 504)
"""The client retries these immediately; 429 needs a pause, so it is left to the back-off of the caller."""


class ClientSettings(BaseModel):
    """Everything a client needs. Built by :meth:`from_url` or by the Airflow hook.

    ``credentials`` is botocore's object for SigV4, such as ``session.get_credentials()`` returns. It is frozen again
    for each request, so credentials that refresh themselves may expire in the middle of a long run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)

    url: str = Field(description="http(s)://host[:port][/prefix], without credentials.")
    auth: Literal["none", "basic", "sigv4"] = "none"
    username: str | None = None
    password: SecretStr | None = None
    credentials: Any = Field(None, repr=False, exclude=True)
    region_name: str | None = None
    aws_service: AwsService = "es"
    verify_certs: bool = True
    ssl_assert_hostname: bool = Field(True, description="False: any name in a trusted certificate is accepted.")
    ca_certs: FilePath | None = Field(None, description="CA bundle (PEM); None: the usual public authorities.")
    timeout: PositiveFloat = Field(60.0, description="Seconds to wait for an answer, unless a call states otherwise.")
    pool_size: PositiveInt = Field(10, description="Connections kept open; as many as there are threads.")
    max_retries: NonNegativeInt = 3
    http_compress: bool | None = Field(
        None, description="Compress requests and answers. None: unless the server is on this machine."
    )
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    opaque_id: str = Field("strata", description="X-Opaque-Id: identifies us in the cluster's tasks and slow logs.")

    @classmethod
    def from_url(cls, url: str, **settings: Any) -> Self:
        """Settings from ``http(s)://[user:password@]host[:port][/prefix]``, as typed in a shell.

        :param url: as above; special characters of the login in percent-encoding
        :param settings: any other fields
        :raises DefinitionError: with one sentence for each problem
        """
        bare, login = split_login(url)
        return cls.checked(url=bare, **{**login, **settings})

    @classmethod
    def checked(cls, **settings: Any) -> Self:
        """Like the constructor, but problems are sentences without values, which may be secret.

        :raises DefinitionError: with one sentence for each problem
        """
        try:
            return cls(**settings)
        except ValidationError as error:
            raise DefinitionError(" ".join(_sentence(problem) for problem in error.errors())) from None

    @property
    def is_remote(self) -> bool:
        """Whether a network is in between, through which compressed data passes faster."""
        host = urlsplit(self.url).hostname or ""
        return host != "localhost" and not host.startswith("127.") and host != "::1"

    @property
    def is_serverless(self) -> bool:
        """Whether this is OpenSearch Serverless, which offers only part of the API."""
        return self.auth == "sigv4" and self.aws_service == "aoss"

    @field_validator("url")
    @classmethod
    def _url_is_whole(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("The URL of OpenSearch must look like https://host:9200.")
        if parts.username is not None:
            raise ValueError("The URL of OpenSearch must not contain credentials here.")
        try:
            port = parts.port
        except ValueError:
            raise ValueError("The port in the URL of OpenSearch must be a number up to 65535.") from None
        if port is None:
            default = 443 if parts.scheme == "https" else 9200
            return urlunsplit(parts._replace(netloc=f"{parts.netloc.rstrip(':')}:{default}"))
        return url

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        has_login = bool(self.username) or bool(self.password and self.password.get_secret_value())
        if self.auth == "basic" and not (self.username and self.password and self.password.get_secret_value()):
            raise ValueError("Basic authentication needs both a login and a password; give both, or neither.")
        if self.auth != "basic" and has_login:
            raise ValueError(f"A login is given, but auth is {self.auth}; remove the login or set auth to basic.")
        if self.auth == "sigv4" and not self.credentials:
            raise ValueError(
                "SigV4 needs AWS credentials, and none were found; set AWS_PROFILE or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or log in with the AWS CLI (in Airflow: set aws_conn_id)."
            )
        if self.auth == "sigv4" and not self.region_name:
            raise ValueError("SigV4 needs an AWS region, and none was found; set AWS_REGION (in Airflow: region_name).")
        if not self.ssl_assert_hostname and self.auth == "sigv4":
            raise ValueError("SigV4 signs the host name; remove ssl_assert_hostname.")
        if ".aoss." in self.url and self.aws_service != "aoss":
            raise ValueError("The host belongs to OpenSearch Serverless; set auth to sigv4 and aws_service to aoss.")
        return self


def split_login(url: str) -> tuple[str, dict[str, str]]:
    """``http(s)://[user:password@]host[:port][/prefix]`` without its login, and the settings of the login, if any.

    :param url: as a person typed it; special characters of the login in percent-encoding
    :raises DefinitionError: it is not a URL
    """
    try:
        parts = urlsplit(url)
        bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:  # its message may repeat the password
        raise DefinitionError("The URL of OpenSearch cannot be read; write https://host:9200.") from None
    if parts.username is None:
        return bare, {}
    return bare, {"auth": "basic", "username": unquote(parts.username), "password": unquote(parts.password or "")}


def build_client(settings: ClientSettings) -> OpenSearch:
    """Build a client for threads. Nothing is sent yet."""
    from opensearchpy import OpenSearch, Urllib3AWSV4SignerAuth

    options = {**_options(settings), "connection_class": _connection_class()}
    if settings.auth == "sigv4":
        options["http_auth"] = Urllib3AWSV4SignerAuth(settings.credentials, settings.region_name, settings.aws_service)
    return OpenSearch(**options)


def build_async_client(settings: ClientSettings) -> AsyncOpenSearch:
    """Build a client for an event loop, to be closed with ``await client.close()``. Nothing is sent yet."""
    from opensearchpy import AsyncOpenSearch

    options = _options(settings)
    if settings.auth == "sigv4":  # the default connection class accepts only basic authentication
        options["connection_class"] = _signing_connection()
        options["http_auth"] = _Signer(settings)
    return AsyncOpenSearch(**options)


class _Signer:
    """Signs requests for an event loop, which nothing may block: credentials are renewed in a separate thread."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._frozen: Any = None

    async def renew(self) -> None:
        """Get credentials that are valid now; this may assume a role again, over HTTP."""
        self._frozen = await asyncio.to_thread(self._settings.credentials.get_frozen_credentials)

    def __call__(self, method: str, url: str, body: Any = None, headers: Any = None) -> dict[str, str]:
        """The signed headers of a request."""
        from opensearchpy import AWSV4SignerAsyncAuth

        settings = self._settings
        sign = AWSV4SignerAsyncAuth(self._frozen, settings.region_name or "", settings.aws_service)
        return sign(method, url, body, headers)


def _signing_connection() -> type[AsyncHttpConnection]:
    from opensearchpy import AsyncHttpConnection

    class SigningConnection(AsyncHttpConnection):
        async def perform_request(self, *args: Any, **kwargs: Any) -> Any:
            await self._http_auth.renew()
            return await super().perform_request(*args, **kwargs)

    return SigningConnection


def _options(settings: ClientSettings) -> dict[str, Any]:
    """Arguments that both clients share."""
    parts = urlsplit(settings.url)
    options: dict[str, Any] = {
        "hosts": [{"host": parts.hostname, "port": parts.port, "url_prefix": parts.path.strip("/")}],
        "timeout": settings.timeout,
        "pool_maxsize": settings.pool_size,
        "max_retries": settings.max_retries,
        "retry_on_status": RETRIED_STATUSES,
        # A request that was not answered in time is most likely still running. Sending it again would double the load
        # on a cluster that is already slow. The task decides, after its back-off.
        "retry_on_timeout": False,
        "http_compress": settings.is_remote if settings.http_compress is None else settings.http_compress,
        "headers": settings.headers,
        "opaque_id": settings.opaque_id,
        "serializer": _serializer(),
    }
    if settings.username and settings.password:
        # opensearch-py encodes this as latin-1, but OpenSearch reads UTF-8.
        pair = (settings.username, settings.password.get_secret_value())
        options["http_auth"] = tuple(text.encode().decode("latin-1") for text in pair)
    if parts.scheme == "https":
        options |= {"use_ssl": True, "verify_certs": settings.verify_certs}
        if settings.ca_certs:
            options["ca_certs"] = str(settings.ca_certs)
        if not settings.ssl_assert_hostname:  # the two connection classes disagree on what True means
            options["ssl_assert_hostname"] = False
    return options


class _Text(NamedTuple):
    """The body of an answer. A ``_source`` is stored as it was sent, and OpenSearch takes more than UTF-8.

    :param raw: whether the serializer wants the bytes
    """

    body: bytes
    raw: bool

    def decode(self, encoding: str, _: str) -> str | bytes:
        """The text, where opensearch-py would raise if there is another byte in it; or the very bytes."""
        return self.body if self.raw else self.body.decode(encoding, "surrogateescape")


class _Answer(NamedTuple):
    """What opensearch-py needs of an answer."""

    status: int
    headers: Any
    data: _Text


def _connection_class() -> type[Urllib3HttpConnection]:
    """A subclass of opensearch-py's own connection that compresses faster, logs fewer warnings and loses no byte."""
    from isal import igzip
    from opensearchpy import Urllib3HttpConnection

    class Connection(Urllib3HttpConnection):
        def _create_urllib3_pool(self) -> None:
            super()._create_urllib3_pool()
            send = self.pool.urlopen

            def urlopen(*args: Any, **kwargs: Any) -> _Answer:
                answer = send(*args, **kwargs)
                raw = answer.status < 300 and typed_answers.is_wanted()
                return _Answer(answer.status, answer.headers, _Text(answer.data, raw))

            self.pool.urlopen = urlopen

        def _gzip_compress(self, body: bytes) -> bytes:
            # opensearch-py compresses at level 9, at a twentieth of the speed at which the bodies of a load are built.
            return igzip.compress(body, compresslevel=1)

        def log_request_fail(self, *args: Any, **kwargs: Any) -> None:
            # A healthy run asks for things that may not exist (404) and creates things that may already exist (400).
            # Where such an answer is not expected, it becomes an exception, which is then reported as a sentence.
            if kwargs.get("status_code", args[5] if len(args) > 5 else None) not in (400, 404):
                super().log_request_fail(*args, **kwargs)

    return Connection


def _serializer() -> JSONSerializer:
    """A serializer that parses answers with orjson, several times faster, and writes requests like opensearch-py."""
    import orjson
    from opensearchpy.serializer import JSONSerializer

    class Serializer(JSONSerializer):
        def loads(self, s: str | bytes) -> Any:
            if isinstance(s, bytes):
                if (answer := typed_answers.decoded(s)) is not None:
                    return answer
                s = s.decode("utf-8", "surrogateescape")
            try:
                return orjson.loads(s)
            except orjson.JSONDecodeError:  # it is stricter than some servers: NaN, or half of a surrogate pair
                return super().loads(s)

    return Serializer()


def _sentence(problem: Any) -> str:
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    name = ".".join(str(part) for part in problem["loc"])
    return f"The setting {name} is invalid: {problem['msg'].rstrip('.')}."
