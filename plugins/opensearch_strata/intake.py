"""How the archives of a dataset are read: part of its definition. Pure models, no I/O."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

FormatName = Literal["auto", "cloudwatch", "firehose_errors", "export_task", "json", "strata", "lines"]
ParserName = Literal[
    "auto",
    "json",
    "raw",
    "mysql_general",
    "mysql_slow",
    "mysql_error",
    "mysql_audit",
    "lambda",
    "vpc_flow",
    "api_gateway",
]
CastName = Literal["string", "integer", "float", "boolean"]

_S3_URL = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/(?P<prefix>.*))?", re.DOTALL)
_LENGTH = re.compile(r"(?P<n>\d+)(?P<unit>[mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_DIRECTIVES = ("%Y", "%m", "%d", "%H")


def split_s3_url(url: str) -> tuple[str, str]:
    """Bucket and prefix of ``s3://bucket/prefix``.

    :raises ValueError: it is no such URL
    """
    match = _S3_URL.fullmatch(url)
    if match is None:
        raise ValueError(f"{url!r} is no S3 URL; write it like s3://bucket/prefix/")
    return match["bucket"], match["prefix"] or ""


def length_of(text: str) -> timedelta:
    """A length of time, written like 15m, 1h or 2d.

    :raises ValueError: it is none
    """
    match = _LENGTH.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no length of time; write it like 15m, 1h or 2d")
    return int(match["n"]) * _UNITS[match["unit"]]


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is no time zone of the IANA database; write it like Europe/Berlin")
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]
"""Name of a time zone of the IANA database."""


class Intake(BaseModel):
    """How objects in S3 become documents of the raw days."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str | None = Field(None, description="s3://bucket/prefix/ of the objects; a backfill may name another.")
    layout: str | None = Field(
        "%Y/%m/%d/%H/",
        description="How keys go on behind the prefix: the UTC time of arrival, as Firehose writes it; "
        "%Y %m %d %H, at least %Y. null: keys hold no time and the time of the last change counts.",
    )
    early: str = Field("1h", description="How much earlier than an event its object's time may be.")
    late: str = Field("1d", description="How much later than an event its object's time may be.")
    format: FormatName = Field("auto", description="What the objects hold; auto: their content decides.")
    parser: ParserName = Field("auto", description="What reads a message; auto: log group and content decide.")
    parsers: dict[str, ParserName] = Field(
        default_factory=dict,
        description="Pattern of a log group, or of a key where there is none -> parser; the first that fits counts.",
    )
    log_time_zone: TimeZone = Field("UTC", description="IANA name; the zone of times in messages that name none.")
    unparsed: Literal["dead_letter", "document"] = Field(
        "dead_letter", description="What becomes of a message that the parser cannot read."
    )
    rename: dict[str, str] = Field(default_factory=dict, description="Parsed field -> its name in the document.")
    cast: dict[str, CastName] = Field(default_factory=dict, description="Field of the document -> its type.")
    drop: list[str] = Field(default_factory=list, description="Fields of the document that are left out.")
    add: dict[str, Any] = Field(default_factory=dict, description="Fields that every document gets.")
    metadata: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] | None = Field(
        "archive",
        description="Object field for owner, log_group, log_stream, event_id, object and position. null: left out.",
    )
    aws_conn_id: str = Field("aws_default", description="Airflow connection for S3.")
    dead_letters: str | None = Field(
        None, description="s3://bucket/prefix/ for records that could not be loaded; else <source>dead-letters/."
    )
    most_dead: float = Field(
        0.5, gt=0, le=1, description="Share of dead letters beyond which an object is quarantined."
    )

    @field_validator("source", "dead_letters")
    @classmethod
    def _is_s3(cls, url: str | None) -> str | None:
        if url is not None:
            split_s3_url(url)
        return url

    @field_validator("early", "late")
    @classmethod
    def _is_length(cls, text: str) -> str:
        length_of(text)
        return text

    @field_validator("layout")
    @classmethod
    def _is_layout(cls, layout: str | None) -> str | None:
        if layout is None:
            return None
        found = re.findall(r"%.?", layout)
        if not found or tuple(found) != _DIRECTIVES[: len(found)]:
            raise ValueError(f"{layout!r} must hold %Y, %m, %d and %H in this order, each once, or the first of them")
        return layout
