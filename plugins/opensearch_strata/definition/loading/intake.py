"""How the archives of a dataset are read, as part of its definition. Pure models, no I/O."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, field_validator, model_validator

from opensearch_strata.definition.extensions import BUILT_IN, Kind, known
from opensearch_strata.definition.loading.event_rules import EventRule
from opensearch_strata.definition.notation.lists import flow_names, listed
from opensearch_strata.definition.notation.patterns import compiled
from opensearch_strata.definition.notation.queue_address import queue_address
from opensearch_strata.definition.notation.time_formats import reads
from opensearch_strata.definition.schedule import once_a_day


def _named(kind: Kind) -> Any:
    """How names are checked, and which names editors offer."""
    shown = {"anyOf": [{"enum": list(BUILT_IN[kind])}, {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}]}
    return AfterValidator(lambda name: known(kind, name)), WithJsonSchema(shown)


FormatName = Annotated[str, *_named("format")]
"""Name of a format, from this package or an installed distribution."""
ParserName = Annotated[str, *_named("parser")]
"""Name of a parser, from this package or an installed distribution."""
CastName = Literal["string", "integer", "float", "boolean"]

# Before March 2018, names of buckets in us-east-1 could have capital letters, underscores and 255 characters:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_S3_URL = re.compile(r"s3://(?P<bucket>[A-Za-z0-9._-]{3,255})(/(?P<prefix>.*))?", re.DOTALL)
_LENGTH = re.compile(r"(?P<n>\d+)(?P<unit>[smhd])")
_UNITS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_LEAST_WAIT, _LONGEST_WAIT = timedelta(seconds=1), timedelta(minutes=5)
_DIRECTIVES = ("%Y", "%m", "%d", "%H")
_UNPADDED = re.compile(r"%-[mdH](?:[0-9%]|$)")
_OPEN_STAR = re.compile(r"\*[*%]")


def split_s3_url(url: str) -> tuple[str, str]:
    """Bucket and prefix of ``s3://bucket/prefix``.

    :param url: with or without a prefix
    :raises ValueError: it is not an S3 URL
    """
    match = _S3_URL.fullmatch(url)
    if match is None:
        raise ValueError(f"{url!r} is not an S3 URL; write it like s3://bucket/prefix/")
    return match["bucket"], match["prefix"] or ""


def length_of(text: str) -> timedelta:
    """A length of time, written like 30s, 15m, 1h or 2d.

    :param text: a whole number and ``s``, ``m``, ``h`` or ``d``
    :raises ValueError: it is not a length of time
    """
    match = _LENGTH.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a length of time; write it like 30s, 15m, 1h or 2d")
    return int(match["n"]) * _UNITS[match["unit"]]


@cache
def _zones() -> frozenset[str]:
    """Names of all time zones, which the library collects from disk at each call: 17 ms for every dataset."""
    return frozenset(available_timezones())


def _known_zone(name: str) -> str:
    if name not in _zones():
        raise ValueError(f"{name!r} is not a time zone of the IANA database; write it like Europe/Berlin")
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]
"""Name of a time zone of the IANA database."""


RENAMED = {"early": "max_clock_lead", "late": "max_lateness", "most_dead": "max_dead_share"}
"""Former names of keys, still read until 1.0 -> their present names."""


class Intake(BaseModel):
    """How objects in S3 become documents of the raw days."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str | None = Field(None, description="s3://bucket/prefix/ of the objects; a backfill may name another.")
    skip_keys: list[Annotated[str, Field(min_length=1)]] = Field(
        default_factory=list,
        description="Patterns for keys after the source, like *.png or tmp/*: * stands for any text, slashes too, and "
        "? for any character. These objects are not loaded.",
    )
    layout: str | None = Field(
        "%Y/%m/%d/%H/",
        description="How keys continue after the prefix: with the time of arrival, as Firehose writes it; "
        "%Y %m %d %H, at least %Y; %-m %-d %-H without a leading zero. Before %Y, * is any text up to the character "
        "after it. null: keys contain no time, and the time of the last change is used.",
    )
    layout_time_zone: TimeZone = Field("UTC", description="IANA name of the time zone of the times in keys.")
    max_clock_lead: str = Field("1h", description="How much earlier than an event its object's time may be.")
    max_lateness: str = Field("1d", description="How much later than an event its object's time may be.")
    unwrap: Annotated[str, Field(pattern=r"^[^.]+(\.[^.]+)*$")] | None = Field(
        None, description="Field of a JSON object whose array contains the events, or the path to it: Records."
    )
    format: FormatName = Field("auto", description="Format of the objects; auto: their content decides.")
    parser: ParserName = Field(
        "auto", description="Parser that reads a message; auto: the log group and the content decide."
    )
    parsers: dict[str, ParserName] = Field(
        default_factory=dict,
        description="Pattern of a log group, or of a key if there is no log group -> parser; the first match is used.",
    )
    pattern: str | list[str] | None = Field(
        None,
        description="Regular expression for a line of text or its beginning; its named groups become fields. Of "
        "several, the first match is used. One without named groups matches lines that are not events.",
    )
    flow_fields: str | None = Field(
        None,
        description="Fields of flow logs that do not name them, in the format that AWS shows: ${version} ${srcaddr}.",
    )
    timestamp_format: str | list[str] | None = Field(
        None,
        description="How raw.timestamp is written: iso8601, rfc2822, epoch_seconds, epoch_millis, epoch_micros, "
        "epoch_nanos, or directives like %d/%b/%Y:%H:%M:%S %z; of several, the first match is used. null: ISO 8601 or "
        "epoch milliseconds.",
    )
    log_time_zone: TimeZone = Field(
        "UTC", description="IANA name of the time zone of times in messages that name no zone."
    )
    unparsed: Literal["dead_letter", "document"] = Field(
        "dead_letter", description="What a message becomes that the parser cannot read."
    )
    keep: list[EventRule] = Field(
        default_factory=list,
        description="Rules that name the events to load; any other event is left out. Empty: all events.",
    )
    skip: list[EventRule] = Field(
        default_factory=list, description="Rules that name events to leave out, even if keep names them too."
    )
    rename: dict[str, str] = Field(default_factory=dict, description="Parsed field -> its name in the document.")
    cast: dict[str, CastName] = Field(default_factory=dict, description="Field of the document -> its type.")
    drop: list[str] = Field(default_factory=list, description="Fields of the document that are left out.")
    add: dict[str, Any] = Field(default_factory=dict, description="Fields that every document gets.")
    metadata: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] | None = Field(
        "archive",
        description="Object field for owner, log_group, log_stream, event_id, object and position. null: no such "
        "field.",
    )
    queue: str | None = Field(
        None, description="SQS queue, URL or ARN, that S3 notifies of new objects of the source; they are then loaded."
    )
    max_wait: str = Field("10s", description="How long documents of new objects wait for others before they are sent.")
    sweep: str | None = Field(
        "30 1 * * *",
        description="Cron expression, once a day, in the dataset's time zone: when new objects are looked for that "
        "no notification told. null: never.",
    )
    aws_conn_id: str = Field("aws_default", description="Airflow connection for S3 and SQS.")
    request_payer: Literal["requester"] | None = Field(
        None, description="requester: we pay for requests to the bucket, as a Requester Pays bucket requires."
    )
    dead_letters: str | None = Field(
        None,
        description="s3://bucket/prefix/ for records that could not be loaded; by default <source>dead-letters/.",
    )
    max_dead_share: float = Field(
        0.5, gt=0, le=1, description="Share of dead letters above which an object is quarantined."
    )

    @model_validator(mode="before")
    @classmethod
    def _under_their_names_of_today(cls, stated: Any) -> Any:
        if not isinstance(stated, dict):
            return stated
        for old, new in RENAMED.items():
            if old in stated and new in stated:
                raise ValueError(f"{old} is now called {new}; remove {old}")
        return {RENAMED.get(key, key): value for key, value in stated.items()}

    @field_validator("source", "dead_letters")
    @classmethod
    def _is_s3(cls, url: str | None) -> str | None:
        if url is not None:
            split_s3_url(url)
        return url

    @field_validator("max_clock_lead", "max_lateness")
    @classmethod
    def _is_length(cls, text: str) -> str:
        length_of(text)
        return text

    @field_validator("queue")
    @classmethod
    def _is_queue(cls, text: str | None) -> str | None:
        if text is not None:
            queue_address(text)
        return text

    @field_validator("max_wait")
    @classmethod
    def _is_short(cls, text: str) -> str:
        if not _LEAST_WAIT <= length_of(text) <= _LONGEST_WAIT:
            raise ValueError(f"{text!r} is not from 1s to 5m: until then, the documents wait to be found")
        return text

    @field_validator("sweep")
    @classmethod
    def _is_once_a_day(cls, text: str | None) -> str | None:
        return text if text is None else once_a_day(text)

    @field_validator("layout")
    @classmethod
    def _is_layout(cls, layout: str | None) -> str | None:
        if layout is None:
            return None
        found = [part.replace("-", "") for part in re.findall(r"%-?.?", layout)]
        if not found or tuple(found) != _DIRECTIVES[: len(found)] or "%-Y" in layout:
            raise ValueError(
                f"{layout!r} must contain %Y, %m, %d and %H in this order, each once, or only the first of them; %-m, "
                "%-d and %-H are numbers without a leading zero"
            )
        if "*" in layout[layout.index("%") :] or _OPEN_STAR.search(layout):
            raise ValueError(
                f"{layout!r} may have * only before %Y and with the text after it that ends it, like "
                f"*/CloudTrail/*/%Y/%m/%d/"
            )
        if _UNPADDED.search(layout):
            raise ValueError(f"{layout!r} must state the text after %-m, %-d or %-H, like the slash in month=%-m/")
        return layout

    @field_validator("timestamp_format")
    @classmethod
    def _are_time_formats(cls, formats: str | list[str] | None) -> str | list[str] | None:
        for one in listed(formats):
            reads(one)
        if formats == []:
            raise ValueError("names no format; name one, or leave it out")
        return formats

    @field_validator("pattern")
    @classmethod
    def _are_patterns(cls, patterns: str | list[str] | None) -> str | list[str] | None:
        found = [compiled(one) for one in listed(patterns)]
        if patterns is not None and not any(one.names for one in found):
            raise ValueError("has no named group, like (?P<level>[A-Z]+); each becomes a field")
        return patterns

    @field_validator("flow_fields")
    @classmethod
    def _are_flow_fields(cls, text: str | None) -> str | None:
        if text is not None:
            flow_names(text)
        return text

    @model_validator(mode="after")
    def _pattern_is_there(self) -> Intake:
        if self.pattern is None and "pattern" in (self.parser, *self.parsers.values()):
            raise ValueError("the parser pattern needs intake.pattern; set it")
        return self

    @model_validator(mode="after")
    def _source_is_there(self) -> Intake:
        if self.queue is not None and self.source is None:
            raise ValueError("queue needs intake.source, which says which of the objects are the dataset's; set it")
        return self
