"""Environment variables of the function."""

from __future__ import annotations

import pytest

from opensearch_strata.archive.parsers.registry import ParserSettings
from opensearch_strata.aws_lambda.settings import Settings, read_settings
from opensearch_strata.definition.loading.intake import Intake
from opensearch_strata.errors import DefinitionError


def test_nothing_is_needed() -> None:
    assert read_settings({"PATH": "/usr/bin", "AWS_REGION": "us-east-1", "STRATA_RENAME": " "}) == Settings()


def test_everything_is_read() -> None:
    assert read_settings(
        {
            "STRATA_PARSER": "json",
            "STRATA_PARSERS": "/shop/*=mysql_general, app=pattern",
            "STRATA_PATTERN": "(?P<level>[A-Z]+) .*",
            "STRATA_FLOW_FIELDS": "${version} ${srcaddr}",
            "STRATA_LOG_TIME_ZONE": "Europe/Berlin",
            "STRATA_RENAME": "time=Time,pid=PID, perform=Perform, statement=Statement",
            "STRATA_PARTITION_KEYS": "dt, log_group",
        }
    ) == Settings(
        parser="json",
        parsers={"/shop/*": "mysql_general", "app": "pattern"},
        pattern="(?P<level>[A-Z]+) .*",
        flow_fields="${version} ${srcaddr}",
        log_time_zone="Europe/Berlin",
        rename={"time": "Time", "pid": "PID", "perform": "Perform", "statement": "Statement"},
        partition_keys=("dt", "log_group"),
    )


def test_its_parsers_are_chosen_as_those_of_a_dataset() -> None:
    """Names and defaults are those of ``intake``, so that lines are what a backfill would read."""
    chosen: ParserSettings = Settings()
    intake: ParserSettings = Intake()
    for name in ("parser", "parsers", "pattern", "flow_fields", "log_time_zone"):
        assert getattr(chosen, name) == getattr(intake, name)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("STRATA_PARSRES", "a=b", "STRATA_PARSRES is not one of STRATA_PARSER, "),
        ("STRATA_PARSER", "mysql", "'mysql' is not an installed parser"),
        ("STRATA_PARSERS", "app=mysql", "'mysql' is not an installed parser"),
        ("STRATA_PARSERS", "app", "must be pairs, each name once"),
        ("STRATA_PARSERS", "app=json,app=raw", "must be pairs, each name once"),
        ("STRATA_PARSER", "pattern", "needs STRATA_PATTERN"),
        ("STRATA_PATTERN", "[A-Z]+", "no named group"),
        ("STRATA_PATTERN", "(?P<a>x+)+y", "STRATA_PATTERN cannot be used"),
        ("STRATA_FLOW_FIELDS", "${a} ${a}", "each field once"),
        ("STRATA_LOG_TIME_ZONE", "Mars/Olympus", "Mars/Olympus"),
        ("STRATA_RENAME", "time=T,pid=T", "two fields one name"),
        ("STRATA_RENAME", "pid=cloudwatch", "gives a field the name cloudwatch"),
        ("STRATA_PARTITION_KEYS", "day", "'day' is not one of dt, hour, owner, log_group"),
    ],
)
def test_a_mistake_is_told_before_any_record_is_looked_at(name: str, text: str, told: str) -> None:
    with pytest.raises(DefinitionError) as error:
        read_settings({name: text})
    assert told in str(error.value)
    assert name in str(error.value) or "STRATA_PATTERN" in str(error.value)
    assert "No record was looked at" in str(error.value)
