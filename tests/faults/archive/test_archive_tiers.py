"""Objects in archive tiers that a listing does not show: they stay where they are, and the load says how to go on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from opensearch_strata.archive.planning.plan import make_plan
from opensearch_strata.archive.reconcile import prove_range
from opensearch_strata.errors import Refused
from tests.faults.archives import SPAN, Archive, ndjson
from tests.faults.proxy import Answer, FaultyProxy, Forward, Request
from tests.servers.cutting_proxy import impatient_s3
from tests.streams import DAY

RESTORE = (
    r"The object is in an archive tier of S3 Intelligent-Tiering \(DEEP_ARCHIVE_ACCESS\), which a listing does not "
    r"show, and stays there: restore it first with `aws s3api restore-object --restore-request \{\}`"
)


def archived(request: Request, forward: Forward) -> Answer:
    """What S3 says to GetObject of an object in the Deep Archive Access tier.

    The elements are those of *InvalidObjectState* in docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, in the
    form of docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
    """
    body = (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b"<Error><Code>InvalidObjectState</Code>"
        b"<Message>The operation is not valid for the object's access tier</Message>"
        b"<StorageClass>INTELLIGENT_TIERING</StorageClass><AccessTier>DEEP_ARCHIVE_ACCESS</AccessTier>"
        b"<RequestId>9FEFFF118E15B86F</RequestId><HostId>WVQ5kzhiT+oiUfDCOiOYv8W4Tk9eNcxWi/MK</HostId></Error>"
    )
    return Answer(403, body, {"content-type": "application/xml"})


@pytest.fixture
def cold(s3_url: str) -> Iterator[FaultyProxy]:
    """S3, with the objects whose keys end in `cold` in an archive tier."""
    with FaultyProxy(s3_url) as proxy:
        proxy.add(archived, path="cold")
        yield proxy


def test_it_fails_alone_and_is_loaded_by_the_run_after_its_restoration(archive: Archive, cold: FaultyProxy) -> None:
    frozen = archive.put(ndjson(range(100)), "logs/2024/05/06/00/cold")
    archive.put(ndjson(range(100, 200)))
    s3 = impatient_s3(cold.url)
    result = archive.load(s3=s3)
    with pytest.raises(Refused, match=f"1 of 2 objects failed; all others are loaded.*{RESTORE}") as refusal:
        result.require_success()
    assert f"{frozen.place} cannot be read. AWS answered 403 InvalidObjectState to GetObject" in str(refusal.value)
    assert "Allow" not in str(refusal.value)
    archive.assert_loaded(range(100, 200))
    assert [row.state for row in archive.rows()] == ["failed", "done"]
    assert archive.letters() == []
    places = [listed.place for listed in archive.objects]
    (check,) = prove_range(archive.stream.client, archive.ledger, places, SPAN).failed
    assert (check.name, check.found) == ("objects that failed", 1)
    cold.clear()
    archive.load(s3=s3).require_success()
    archive.assert_done()
    archive.assert_loaded(range(200))


def test_a_plan_that_comes_across_one_is_refused(archive: Archive, cold: FaultyProxy) -> None:
    archive.put(ndjson(range(100)), "logs/2024/05/06/00/cold")
    with pytest.raises(Refused, match=f"00/cold cannot be read.*{RESTORE}"):
        make_plan(
            impatient_s3(cold.url), archive.stream.client, archive.dataset, f"s3://{archive.bucket}/logs/", DAY, DAY,
            archive.ledger,
        )  # fmt: skip
    assert archive.ledger.rows(listed.place for listed in archive.objects) == {}
