"""Where the links of a task lead."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from opensearch_strata.airflow.links import ArchiveLink, DayPageLink, link_archive, link_day, link_indices
from tests.streams import dataset_of

DAY = date(2013, 3, 2)


class Pushed(dict[str, str]):
    """What a task pushed, by key."""

    def xcom_push(self, key: str, value: str) -> None:
        self[key] = value


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> Pushed:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/team/")
    monkeypatch.delenv("STRATA_DASHBOARDS_URL", raising=False)
    return Pushed()


def test_a_day_has_its_page_below_the_base_path_of_airflow(pushed: Pushed) -> None:
    context: Any = {"ti": pushed}
    link_day(context, dataset_of("flights"), DAY)
    page = "https://airflow.example.com/team/strata/datasets/flights/days/2013-03-02"
    assert pushed == {DayPageLink().xcom_key: page}
    link_indices(context, "http://search:9200", dataset_of("flights"), DAY)
    assert len(pushed) == 3


def test_an_archive_is_shown_by_the_console_of_aws_whatever_its_key(pushed: Pushed) -> None:
    context: Any = {"ti": pushed}
    link_archive(context, "s3://telemetry-archive/a b&c/dt=2013-03-02/_manifest.json")
    assert pushed[ArchiveLink().xcom_key] == (
        "https://console.aws.amazon.com/s3/object/telemetry-archive?prefix=a%20b%26c/dt%3D2013-03-02/_manifest.json"
    )
