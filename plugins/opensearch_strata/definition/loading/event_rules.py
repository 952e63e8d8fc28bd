"""Rules that name events by their log, or by what a field holds: the notation of ``intake.keep`` and ``intake.skip``.

A rule is a mapping, such as ``{field: level, level_below: info}``. It names the events for which each of its keys
holds. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from opensearch_strata.definition.strict_model import Strict

LevelName = Literal["trace", "debug", "info", "notice", "warn", "error", "critical", "alert", "emergency"]
"""Levels, the least severe first. The upper half is that of syslog (RFC 5424, section 6.2.1)."""

_Text = Annotated[str, Field(min_length=1)]
Globs = Annotated[
    list[_Text],
    Field(min_length=1),
    BeforeValidator(
        lambda stated: [stated] if isinstance(stated, str) else stated, json_schema_input_type=_Text | list[_Text]
    ),
]
"""Patterns, one of which has to match, or a single one: ``*`` is any text, ``?`` a character, ``[ab]`` one of these."""


def _is_simple(value: Any) -> Any:
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"{value} is neither a text nor a number nor true or false; put a text in quotes")
    return value


Value = Annotated[Any, AfterValidator(_is_simple), WithJsonSchema({"type": ["string", "number", "boolean"]})]
"""A value that a field can have."""

_TESTS = ("values", "like", "level_below", "below", "above", "exists")


class EventRule(Strict):
    """Names the events for which each of its keys holds."""

    model_config = ConfigDict(
        serialize_by_alias=True,  # a definition that is written is read again
        json_schema_extra={
            "anyOf": [{"required": [key]} for key in ("log_group", "log_stream", "field")],
            "dependentRequired": {key: ["field"] for key in ("in", *_TESTS[1:])},
        },
    )

    log_group: Globs | None = Field(
        None, description="Pattern of a log group, or of a key if there is no log group; a list: one of them."
    )
    log_stream: Globs | None = Field(None, description="Pattern of a log stream; a list: one of them.")
    field: Annotated[str, Field(pattern=r"^[^.]+(\.[^.]+)*$")] | None = Field(
        None,
        description="Field of the document, by its name after intake.rename and with its value before intake.cast.",
    )
    values: list[Value] | None = Field(
        None, alias="in", min_length=1, description="The field is one of these; 404 and '404' are the same."
    )
    like: Globs | None = Field(None, description="The whole field matches this pattern; a list: one of them.")
    level_below: LevelName | None = Field(
        None, description="The field is a level, in any notation, that is less severe than this one."
    )
    below: float | None = Field(None, allow_inf_nan=False, description="The field is a number, and less than this.")
    above: float | None = Field(None, allow_inf_nan=False, description="The field is a number, and more than this.")
    exists: bool | None = Field(None, description="Whether the event has the field; null counts as having none.")

    @model_validator(mode="after")
    def _says_something(self) -> EventRule:
        tests = [name for name in _TESTS if getattr(self, name) is not None]
        if self.field is None:
            if tests:
                raise ValueError(f"{_key(tests[0])} needs the field that it is about; add field")
            if self.log_group is None and self.log_stream is None:
                raise ValueError("names no events; give it a field, a log_group or a log_stream")
        elif not tests:
            raise ValueError(
                f"says nothing about the field {self.field!r}; add in, like, level_below, below, above or exists"
            )
        if self.exists is False and len(tests) > 1:
            raise ValueError(f"a field that does not exist has no {_key(tests[0])}; remove it, or exists: false")
        if self.below is not None and self.above is not None and self.above >= self.below:
            raise ValueError(f"no number is above {self.above:g} and below {self.below:g}; swap them")
        return self

    def __str__(self) -> str:
        """The rule as YAML has it on one line: ``{field: level, level_below: info}``."""
        stated = {"in" if key == "values" else key: value for key, value in self if value is not None}
        return f"{{{', '.join(f'{key}: {_shown(value, key)}' for key, value in stated.items())}}}"


class RuleMarks(NamedTuple):
    """Which rules decide what is loaded, each as a short hash: enough to see whether others leave out the same.

    :param keep: of ``intake.keep``; if there are any, an event that none of them names is left out
    :param skip: of ``intake.skip``; an event that one of them names is left out
    """

    keep: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()

    @classmethod
    def read(cls, text: str) -> RuleMarks:
        """The marks that were written by :attr:`text`.

        :param text: empty for no rules
        """
        keep, _, skip = text.partition("/")
        return cls(frozenset(keep.split()), frozenset(skip.split()))

    @property
    def text(self) -> str:
        """The marks as one text: hashes separated by spaces, a slash between those of keep and of skip."""
        return f"{' '.join(sorted(self.keep))}/{' '.join(sorted(self.skip))}" if self.keep or self.skip else ""

    def leave_out_all_of(self, others: RuleMarks) -> bool:
        """Whether every event that other rules leave out is also left out by these.

        :param others: the other rules; they are applied to the same fields
        """
        keeps_no_more = not others.keep or (bool(self.keep) and self.keep <= others.keep)
        return keeps_no_more and others.skip <= self.skip

    def joined(self, others: RuleMarks) -> RuleMarks:
        """Marks of all that these rules or others leave out: whoever leaves out all of it leaves out all of each.

        :param others: the other rules
        """
        keep = self.keep | others.keep
        if self.keep and others.keep:
            keep = self.keep & others.keep or frozenset({"none"})  # which is no hash, so no rules keep so little
        return RuleMarks(keep, self.skip | others.skip)


NO_RULES = RuleMarks()
"""The marks of a definition without rules."""


def marks_of(keep: Sequence[EventRule], skip: Sequence[EventRule]) -> RuleMarks:
    """The marks of rules.

    :param keep: ``intake.keep``
    :param skip: ``intake.skip``
    """
    return RuleMarks(frozenset(map(_mark, keep)), frozenset(map(_mark, skip)))


def _mark(rule: EventRule) -> str:
    return hashlib.sha256(rule.model_dump_json(exclude_none=True).encode()).hexdigest()[:8]


def _key(name: str) -> str:
    return "in" if name == "values" else name


def _shown(value: object, key: str = "") -> str:
    match value:
        case [str(pattern)] if key in ("log_group", "log_stream", "like"):
            return pattern
        case list():
            return f"[{', '.join(map(_shown, value))}]"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:g}"
    return str(value)
