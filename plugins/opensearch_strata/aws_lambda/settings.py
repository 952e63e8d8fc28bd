"""What a person sets for the function: environment variables, named like the keys of a dataset's intake. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from opensearch_strata.archive.decode.formats.cloudwatch import LINE_KEY
from opensearch_strata.archive.timestamps import zone_of
from opensearch_strata.definition.extensions import known
from opensearch_strata.definition.notation.lists import flow_names
from opensearch_strata.definition.notation.patterns import compiled
from opensearch_strata.errors import DefinitionError

PARTITION_KEYS = ("dt", "hour", "owner", "log_group")
"""Keys for dynamic partitioning: day and hour (UTC) of a record's first event, account, log group."""


@dataclass(frozen=True)
class Settings:
    """The first five are those of :class:`~opensearch_strata.archive.parsers.registry.ParserSettings`.

    :param rename: parsed field -> its name in the lines
    :param partition_keys: some of :data:`PARTITION_KEYS`
    """

    parser: str = "auto"
    parsers: Mapping[str, str] = field(default_factory=dict)
    pattern: str | None = None
    flow_fields: str | None = None
    log_time_zone: str = "UTC"
    rename: Mapping[str, str] = field(default_factory=dict)
    partition_keys: tuple[str, ...] = ()


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings in environment variables; see docs/lambda.md.

    :param environment: all variables; those that do not begin with ``STRATA_`` are ignored
    :raises DefinitionError: a variable is unknown or does not have the right form
    """
    stated = {name: text.strip() for name, text in environment.items() if name.startswith("STRATA_")}
    if unknown := sorted(set(stated) - set(_READ)):
        raise DefinitionError(
            f"The environment variable {unknown[0]} is not one of {', '.join(_READ)}. No record was looked at; correct "
            f"its name or remove it."
        )
    values: dict[str, Any] = {}
    for name, text in stated.items():
        if text:
            try:
                values[name.removeprefix("STRATA_").lower()] = _READ[name](text)
            except (ValueError, ZoneInfoNotFoundError) as error:
                raise DefinitionError(
                    f"The environment variable {name} cannot be used: {error}. No record was looked at; correct it."
                ) from None
    settings = Settings(**values)
    if settings.pattern is None and "pattern" in (settings.parser, *settings.parsers.values()):
        raise DefinitionError("The parser pattern needs STRATA_PATTERN. No record was looked at; set it.")
    return settings


def _pairs(text: str) -> dict[str, str]:
    """Pairs like ``time=Time, pid=PID``."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    found = {name.strip(): value.strip() for name, _, value in pairs}
    if len(found) < len(pairs) or not all(name and value for name, value in found.items()):
        raise ValueError(f"{text!r} must be pairs, each name once: time=Time,pid=PID")
    return found


def _rename(text: str) -> dict[str, str]:
    names = _pairs(text)
    if len(set(names.values())) < len(names):
        raise ValueError(f"{text!r} gives two fields one name")
    if LINE_KEY in names.values():
        raise ValueError(f"{text!r} gives a field the name {LINE_KEY}, which a line has for what identifies its event")
    return names


def _parser(text: str) -> str:
    return known("parser", text)


def _parsers(text: str) -> dict[str, str]:
    return {pattern: known("parser", name) for pattern, name in _pairs(text).items()}


def _pattern(text: str) -> str:
    if not compiled(text).names:
        raise ValueError("it has no named group, like (?P<level>[A-Z]+); each becomes a field")
    return text


def _flow_fields(text: str) -> str:
    flow_names(text)
    return text


def _zone(text: str) -> str:
    return zone_of(text).key


def _partition_keys(text: str) -> tuple[str, ...]:
    keys = tuple(part.strip() for part in text.split(",") if part.strip())
    if unknown := set(keys) - set(PARTITION_KEYS):
        raise ValueError(f"{min(unknown)!r} is not one of {', '.join(PARTITION_KEYS)}")
    return keys


_READ: Mapping[str, Callable[[str], Any]] = {
    "STRATA_PARSER": _parser,
    "STRATA_PARSERS": _parsers,
    "STRATA_PATTERN": _pattern,
    "STRATA_FLOW_FIELDS": _flow_fields,
    "STRATA_LOG_TIME_ZONE": _zone,
    "STRATA_RENAME": _rename,
    "STRATA_PARTITION_KEYS": _partition_keys,
}
