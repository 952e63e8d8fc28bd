"""How the texts of the shell's options are read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, get_args

import pytest
import typer
from typer.main import get_command

from opensearch_strata.cli.app import app
from opensearch_strata.cli.commands.query import begin_of, end_of
from opensearch_strata.cli.options import CodecChoice, EngineChoice, read_day, read_moment
from opensearch_strata.definition.dataset import EngineName
from opensearch_strata.definition.sections.history import Codec
from tests.streams import dataset_of


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-06", date(2024, 5, 6)),
        ("2024-05-06T06:00", datetime(2024, 5, 6, 6)),
        ("2024-05-06 06:30:15", datetime(2024, 5, 6, 6, 30, 15)),
        ("2024-05-06T06:00Z", datetime(2024, 5, 6, 6, tzinfo=UTC)),
        ("2024-05-06T06:00-04:00", datetime(2024, 5, 6, 10, tzinfo=UTC)),
    ],
)
def test_times_are_read(text: str, moment: date) -> None:
    found = read_moment(text)
    assert isinstance(found, datetime) == isinstance(moment, datetime)
    assert found == moment


@pytest.mark.parametrize("text", ["", "2024-05-6", "2024-05", "20240506", "2024-W19-1", "today"])
def test_what_is_no_day_is_no_time_either(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        read_day(text)
    with pytest.raises(typer.BadParameter):
        read_moment(text)


def test_a_span_is_read_in_the_zone_of_the_dataset() -> None:
    zone = dataset_of("t", time_zone="America/New_York").zone
    spring = date(2024, 3, 10)  # 23 hours long
    assert (begin_of(spring, zone), end_of(spring, zone)) == (
        datetime(2024, 3, 10, 5, tzinfo=UTC),
        datetime(2024, 3, 11, 4, tzinfo=UTC),
    )
    six = datetime(2024, 3, 10, 6)
    assert begin_of(six, zone) == end_of(six, zone) == datetime(2024, 3, 10, 10, tzinfo=UTC)
    aware = datetime(2024, 3, 10, 6, tzinfo=UTC)
    assert begin_of(aware, zone) == end_of(aware, zone) == aware


def test_every_engine_can_be_chosen() -> None:
    assert get_args(EngineChoice) == get_args(EngineName)


def test_every_codec_can_be_chosen() -> None:
    assert get_args(CodecChoice) == get_args(Codec)


@pytest.mark.parametrize("name", ["check", "condense", "verify", "expire", "cycle", "status", "query"])
def test_every_command_takes_the_common_options(name: str) -> None:
    shell: Any = get_command(app)
    options = {option for parameter in shell.commands[name].params for option in parameter.opts}
    assert {"--datasets-dir", "--url", "--engine", "--json"} <= options
