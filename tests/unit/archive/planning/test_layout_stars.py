"""Layouts in which accounts, regions and names come before the time, and the keys of AWS's services."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.places import PROJECT
from opensearch_strata.archive.store.keys import Arrival, Layout, arrival_in_key, arrival_of, reason_apart
from opensearch_strata.definition.loading.intake import Intake
from tests.delivered import KEYS

_OF_LOAD_BALANCERS = ("AWSLogs/", "*/elasticloadbalancing/*/%Y/%m/%d/")
LAYOUTS = {
    **dict.fromkeys(("alb", "alb_connection", "nlb", "clb"), _OF_LOAD_BALANCERS),
    "cloudfront": ("cdn/", "*.%Y-%m-%d-%H."),
    "s3_access": ("access/", "%Y-%m-%d-%H-"),
    "cloudtrail": ("AWSLogs/o-exampleorgid/", "*/CloudTrail/*/%Y/%m/%d/"),
    "waf": ("AWSLogs/", "*/WAFLogs/*/*/%Y/%m/%d/%H/"),
    "route53_resolver": ("AWSLogs/", "*/vpcdnsquerylogs/*/%Y/%m/%d/"),
    "vpc_flow": ("AWSLogs/", "aws-account-id=*/aws-service=vpcflowlogs/aws-region=*/year=%Y/month=%m/day=%d/hour=%H/"),
    "ocsf": ("aws/CLOUD_TRAIL_MGMT/2.0/", "region=*/accountId=*/eventDay=%Y%m%d/"),
}
"""Parser -> prefix of a source and the layout after it, as docs/formats.md shows them."""


def at(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize("name", KEYS)
def test_the_documents_show_the_layout(name: str) -> None:
    page = (PROJECT / "docs" / "formats.md").read_text()
    (row,) = (line for line in page.splitlines() if line.startswith(f"| `{name}` |") and line.count("|") == 7)
    assert f"| `{LAYOUTS[name][1]}` |" in row or ("| the same |" in row and name in ("alb_connection", "nlb", "clb"))


@pytest.mark.parametrize(
    ("prefix", "layout"),
    [("AWSLogs/123456789012/", "elasticloadbalancing/*/%Y/%m/%d/"), ("", "AWSLogs/*/*/*/%Y/%m/%d/")],
)
def test_a_source_may_end_anywhere_before_the_time(prefix: str, layout: str) -> None:
    assert arrival_of(Layout(layout), KEYS["alb"].removeprefix(prefix)) == Arrival(at(2025, 3, 5), at(2025, 3, 6))


@pytest.mark.parametrize("name", KEYS)
def test_the_keys_of_every_service_state_their_time(name: str) -> None:
    prefix, text = LAYOUTS[name]
    layout = Layout(Intake(layout=text).layout or "")
    day, hour = Arrival(at(2025, 3, 5), at(2025, 3, 6)), Arrival(at(2025, 3, 5, 7), at(2025, 3, 5, 8))
    expected = hour if "%H" in text else day
    assert arrival_of(layout, KEYS[name].removeprefix(prefix)) == expected
    assert arrival_in_key(layout, f"more/{KEYS[name]}") == expected


@pytest.mark.parametrize(
    "key", ["CloudTrail/r/2025/03/05/x", "a/CloudTrail/2025/03/05/x", "/CloudTrail/r/2025/03/05/x"]
)
def test_a_star_is_one_folder_and_not_an_empty_one(key: str) -> None:
    layout = Layout("*/CloudTrail/*/%Y/%m/%d/")
    assert layout.arrival(key) is None


@pytest.mark.parametrize("layout", ["**/%Y/", "*%Y/", "%Y/*/%m/", "%Y/%m/*", "*/*%Y"])
def test_a_star_that_nothing_ends_is_refused(layout: str) -> None:
    with pytest.raises(ValueError, match=r"\* only before %Y"):
        Intake(layout=layout)


heads = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=6)
moments = st.integers(0, 400 * 24 * 60).map(lambda minute: at(2012, 11, 1) + minute * 60_000)


@given(heads, heads, moments, st.integers(1, 100))
def test_under_any_head_the_time_is_listed_once(account: str, region: str, start: int, hours: int) -> None:
    """Names of folders are data: none of their characters stands for anything else."""
    head = f"{account}/trail/{region}/"
    layout = Layout("*/trail/*/%Y/%m/%d/").under(head)
    arrived = datetime.fromtimestamp(start / 1000, UTC) + timedelta(hours=hours) / 2
    key = f"{head}{arrived:%Y/%m/%d}/x"
    prefixes = layout.prefixes(start, start + hours * 3_600_000)
    assert sum(key.startswith(prefix) for prefix in prefixes) == 1
    said = layout.arrival(key)
    assert said is not None
    assert said == Layout("*/trail/*/%Y/%m/%d/").arrival(key)
    assert said.start <= arrived.timestamp() * 1000 < said.end
    assert layout.text == "*/trail/*/%Y/%m/%d/"


@pytest.mark.parametrize(
    "name",
    [
        "ELBAccessLogTestFile",
        "ELBConnectionLogTestFile",
        "ELBHealthCheckLogTestFile",
        "Config/ConfigWritabilityCheckFile",
    ],
)
def test_what_services_write_as_a_check_is_a_marker(name: str) -> None:
    assert reason_apart(f"AWSLogs/123456789012/{name}", 100) == "marker"
