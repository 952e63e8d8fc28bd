"""Which events a dataset leaves out: ``intake.keep`` and ``intake.skip``, applied to parsed fields. Pure.

Rules are data of a definition, and values are data of strangers. So nothing here evaluates text: a pattern is a glob,
which the standard library translates so that it does not backtrack, and a value that a test does not understand fails
it. The rules are YAML that pydantic checks, not expressions of a language: of the libraries at hand, JMESPath comes
closest, but it knows neither patterns nor levels, and takes ten times as long for an event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase, translate
from typing import Any, NamedTuple, get_args

import orjson

from opensearch_strata.archive.documents.field_rules import Fields, find, plain_number
from opensearch_strata.archive.events import Origin
from opensearch_strata.definition.loading.event_rules import EventRule, LevelName
from opensearch_strata.definition.loading.intake import Intake

_RANKS: Mapping[str, int] = {
    name: rank
    for rank, names in enumerate(
        (
            "trace finest finer verbose silly",
            "debug fine dbg debug1 debug2 debug3 debug4 debug5",
            "info information informational note log config inf",
            "notice system",
            "warn warning wrn",
            "error err severe failure",
            "critical crit fatal",
            "alert",
            "emergency emerg panic",
        )
    )
    for name in names.split()
}
"""Levels as they are written: Log4j, java.util.logging, Python, Serilog, npm, syslog, and the logs of MySQL (``note``,
``system``) and PostgreSQL (``log``, ``debug1``). Numbers are not read as levels, because syslog's fall and Pino's rise:
compare them with ``below`` or ``above``."""
_LONGEST_LEVEL = max(map(len, _RANKS)) + 2  # with brackets around it

_LONGEST_NUMBER = 64  # bits of a whole number; a document holds none that is longer

_Test = Callable[[Any], bool]


class Unwanted(NamedTuple):
    """An event of the requested days that the dataset leaves out.

    :param why: the rule that names it, as its place in the definition and its text
    """

    why: str


class EventFilter:
    """The rules of a dataset for the events of one log stream of an object.

    Rules of ``intake.skip`` take precedence over those of ``intake.keep``.

    :param origin: of the log stream
    :param key: the object's key, which patterns of log groups are compared with if there is no log group
    """

    def __init__(self, intake: Intake, origin: Origin, key: str) -> None:
        name = origin.log_group or key
        skip = [
            (Unwanted(f"intake.skip.{number}: {rule}"), rule)
            for number, rule in enumerate(intake.skip)
            if _is_of(rule, name, origin.log_stream)
        ]
        keep = [rule for rule in intake.keep if _is_of(rule, name, origin.log_stream)]
        self._unkept = Unwanted("intake.keep: none of its rules names the event")
        self.all: Unwanted | None = next((unwanted for unwanted, rule in skip if rule.field is None), None)
        """Why no event of the stream is wanted, whatever it says; None if that depends on the event."""
        if self.all is None and intake.keep and not keep:
            self.all = self._unkept
        self._skip = [(unwanted, *_test_of(rule)) for unwanted, rule in skip if rule.field is not None]
        # A rule that names the whole stream keeps whatever the others say.
        keeps_all = not intake.keep or any(rule.field is None for rule in keep)
        self._keep = None if keeps_all else [_test_of(rule) for rule in keep]
        self.looks: bool = bool(self._skip) or self._keep is not None
        """Whether :meth:`judged` looks at fields at all; if not, there is no need to call it."""

    def judged(self, fields: Fields) -> Unwanted | None:
        """Why an event is left out; None if it is wanted.

        :param fields: of the event, after ``intake.rename``
        """
        for unwanted, path, test in self._skip:
            if test(_value(fields, path)):
                return unwanted
        if self._keep is not None and not any(test(_value(fields, path)) for path, test in self._keep):
            return self._unkept
        return None


def _is_of(rule: EventRule, name: str, stream: str) -> bool:
    """Whether a rule may name events of a log stream."""
    return all(
        stated is None or any(fnmatchcase(text, pattern) for pattern in stated)
        for stated, text in ((rule.log_group, name), (rule.log_stream, stream))
    )


def _value(fields: Fields, path: str) -> Any:
    if path in fields:  # nearly always
        return fields[path]
    found = find(fields, path)
    return found[0][found[1]] if found else None


def _test_of(rule: EventRule) -> tuple[str, _Test]:
    """The path of the field that a rule is about, and what must hold for its value; None is a missing field."""
    tests: list[_Test] = []
    if rule.values is not None:
        tests.append(_is_one_of(rule.values))
    if rule.like is not None:
        tests.append(_is_like(rule.like))
    if rule.level_below is not None:
        tests.append(_is_level_below(rule.level_below))
    if rule.below is not None or rule.above is not None:
        tests.append(_is_between(rule.above, rule.below))
    if rule.exists is not None:
        wanted = rule.exists
        tests.append(lambda value: (value is not None) is wanted)
    path = rule.field or ""
    return (path, tests[0]) if len(tests) == 1 else (path, lambda value: all(test(value) for test in tests))


def _of_any(test: _Test) -> _Test:
    """A test that a list passes if one of its items does, as in a search."""

    def tested(value: Any) -> bool:
        return any(map(test, value)) if isinstance(value, list) else test(value)

    return tested


def _is_one_of(values: Sequence[str | float]) -> _Test:
    texts = frozenset(map(_text, values))
    return _of_any(lambda value: _text(value) in texts)


def _is_like(patterns: Sequence[str]) -> _Test:
    fits = [re.compile(translate(pattern)).match for pattern in patterns]

    def is_like(value: Any) -> bool:
        text = _text(value)
        return text is not None and any(fit(text) for fit in fits)

    return _of_any(is_like)


def _is_level_below(level: LevelName) -> _Test:
    limit = get_args(LevelName).index(level)

    def is_below(value: Any) -> bool:
        if not isinstance(value, str) or len(value) > _LONGEST_LEVEL:
            return False
        rank = _RANKS.get(value) or _RANKS.get(value.strip("[]<> :").lower())
        return rank is not None and rank < limit

    return _of_any(is_below)


def _is_between(above: float | None, below: float | None) -> _Test:
    def is_between(value: Any) -> bool:
        if isinstance(value, str):
            with suppress(ValueError):
                value = float(plain_number(value))
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return False
        return (above is None or value > above) and (below is None or value < below)

    return _of_any(is_between)


def _text(value: Any) -> str | None:
    """A text, number or truth value as JSON writes it, whole numbers without a fraction; None for anything else."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < 2**53:
            return str(int(value))
        case float():
            return orjson.dumps(value).decode()
        case int() if value.bit_length() <= _LONGEST_NUMBER:
            return str(value)
    return None
