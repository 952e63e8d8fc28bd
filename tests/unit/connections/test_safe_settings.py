"""Which settings of an index are weaker than what we rely on."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from opensearchpy import RequestError

from opensearch_strata.connections.safe_settings import MONTH, SAFE, UNMANAGED, made_safely, weaker


@pytest.mark.parametrize("key", SAFE)
def test_each_setting_that_differs_is_named(key: str) -> None:
    assert weaker({}) == weaker(SAFE) == weaker({**SAFE, "index.translog.durability": "REQUEST"}) == {}
    assert weaker({**SAFE, key: "other"}) == weaker({key: "other"}) == {key: SAFE[key]}


def test_deleted_rows_of_a_month_refuse_older_writers_for_an_hour() -> None:
    assert weaker({}, MONTH) == {"index.gc_deletes": "1h"}
    assert weaker(MONTH, MONTH) == {}


def unknown(name: str) -> RequestError:
    cause = {"type": "settings_exception", "reason": f"unknown setting [{name}] please check"}
    return RequestError(400, "settings_exception", {"error": {**cause, "root_cause": [cause]}, "status": 400})


def test_the_setting_of_a_plugin_that_is_not_there_is_left_out() -> None:
    asked: list[Mapping[str, str]] = []

    def make(settings: Mapping[str, str]) -> str:
        asked.append(settings)
        if UNMANAGED.keys() & settings.keys():
            raise unknown(*UNMANAGED)
        return "made"

    assert made_safely(make) == "made"
    assert asked == [{**SAFE, **UNMANAGED}, SAFE]


def test_another_fault_is_nobodys_plugin() -> None:
    def make(_: Mapping[str, str]) -> str:
        raise unknown("index.nonsense")

    with pytest.raises(RequestError, match="nonsense"):
        made_safely(make)
