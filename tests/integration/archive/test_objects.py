"""Reading objects of a real S3, whatever happens to them or to the connection meanwhile."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from tenacity import wait_none

from local.ports import free_port
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.store import objects
from opensearch_strata.archive.store.objects import ObjectChanged, ObjectGone, build_s3, open_object
from opensearch_strata.errors import Refused, TransientError
from tests.servers.cutting_proxy import cutting, impatient_s3
from tests.servers.recording_server import Answer, serving

CONTENT = random.Random(7).randbytes(3_500_000)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects._RETRYING, "wait", wait_none())


def put(s3: Any, bucket: str, content: bytes = CONTENT, **more: Any) -> Place:
    answer = s3.put_object(Bucket=bucket, Key="2013/01/05/07/an object+ü", Body=content, **more)
    return Place(bucket, "2013/01/05/07/an object+ü", answer["ETag"].strip('"'))


def test_an_object_comes_in_blocks(s3: Any, bucket: str) -> None:
    blocks = list(open_object(s3, put(s3, bucket), len(CONTENT)))
    assert b"".join(blocks) == CONTENT
    assert max(map(len, blocks)) == objects.BLOCK


def test_without_an_etag_the_present_version_is_read(s3: Any, bucket: str) -> None:
    place = put(s3, bucket)._replace(etag="")
    assert b"".join(open_object(s3, place, len(CONTENT))) == CONTENT


def test_an_empty_object_has_no_blocks(s3: Any, bucket: str) -> None:
    assert list(open_object(s3, put(s3, bucket, b""), 0)) == []


def test_reading_can_be_given_up(s3: Any, bucket: str) -> None:
    blocks = open_object(s3, put(s3, bucket), len(CONTENT))
    assert next(blocks) == CONTENT[: objects.BLOCK]
    blocks.close()


@pytest.mark.parametrize("cuts", [(1_500_000, None), (700_000, 1_400_000, 1_400_000, None), (100, 0, None)])
def test_a_lost_connection_is_resumed_where_it_broke_off(
    s3: Any, s3_url: str, bucket: str, cuts: tuple[int | None, ...]
) -> None:
    place = put(s3, bucket)
    with cutting(s3_url, *cuts) as proxy:
        assert b"".join(open_object(impatient_s3(proxy.url), place, len(CONTENT))) == CONTENT
        assert next(proxy.connections) >= len(cuts)


def test_a_connection_that_breaks_off_again_and_again_may_go_on_as_long_as_bytes_come(
    s3: Any, s3_url: str, bucket: str
) -> None:
    content = CONTENT * 3
    place = put(s3, bucket, content)
    with cutting(s3_url, objects.BLOCK + 2000) as proxy:
        assert b"".join(open_object(impatient_s3(proxy.url), place, len(content))) == content
        assert next(proxy.connections) > objects._TRIES


def test_a_connection_without_a_byte_is_given_up(s3: Any, s3_url: str, bucket: str) -> None:
    place = put(s3, bucket)
    with cutting(s3_url, 1_500_000, 100) as proxy:
        read = open_object(impatient_s3(proxy.url), place, len(CONTENT))
        assert next(read) == CONTENT[: objects.BLOCK]
        with pytest.raises(TransientError, match="broke off within its headers"):
            list(read)
        assert next(proxy.connections) == objects._TRIES


def test_nobody_answers() -> None:
    with pytest.raises(TransientError, match=r"beyond 0 of 5 bytes\. The connection to AWS failed"):
        next(open_object(impatient_s3(f"http://127.0.0.1:{free_port()}"), Place("b", "k"), 5))


def test_an_object_that_is_gone(s3: Any, bucket: str) -> None:
    place = put(s3, bucket)
    s3.delete_object(Bucket=bucket, Key=place.key)
    with pytest.raises(ObjectGone, match=f"^s3://{bucket}/2013/.* is gone"):
        list(open_object(s3, place, len(CONTENT)))


def test_an_object_that_was_rewritten_before(s3: Any, bucket: str) -> None:
    place = put(s3, bucket)
    put(s3, bucket, CONTENT[::-1])
    with pytest.raises(ObjectChanged, match="has been rewritten since it was listed"):
        list(open_object(s3, place, len(CONTENT)))


@pytest.mark.parametrize("etag", ["the listed one", ""])
def test_an_object_that_is_rewritten_while_it_is_read(s3: Any, s3_url: str, bucket: str, etag: str) -> None:
    """The bytes of two versions are never mixed, even where the version was not known at first."""
    place = put(s3, bucket)
    with cutting(s3_url, 1_500_000, None) as proxy:
        read = open_object(impatient_s3(proxy.url), place if etag else place._replace(etag=""), len(CONTENT))
        next(read)
        put(s3, bucket, CONTENT[::-1])
        with pytest.raises(ObjectChanged):
            list(read)


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_a_size_that_is_not_the_listed_one(s3: Any, bucket: str, size: int) -> None:
    place = put(s3, bucket)._replace(etag="")
    with pytest.raises(
        ObjectChanged, match=f"has 3,500,000 bytes instead of the {size:,} that were planned; plan again"
    ):
        list(open_object(s3, place, size))


def test_an_object_in_glacier(s3: Any, bucket: str) -> None:
    place = put(s3, bucket, StorageClass="GLACIER")
    with pytest.raises(Refused, match=r"cannot be read\. AWS answered 403 InvalidObjectState .* restore it first"):
        list(open_object(s3, place, len(CONTENT)))


def test_a_bucket_that_is_none(s3: Any) -> None:
    with pytest.raises(Refused, match=r"NoSuchBucket .* Check the name of the bucket"):
        list(open_object(s3, Place("no-such-bucket-anywhere", "k"), 5))


def test_access_denied() -> None:
    answer = Answer(403, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
    with serving(answer) as server, pytest.raises(Refused) as caught:
        list(open_object(impatient_s3(server.url), Place("b", "k"), 5))
    assert "s3://b/k cannot be read. AWS answered 403 AccessDenied to GetObject (Access Denied)." in str(caught.value)
    assert "Allow s3:GetObject" in str(caught.value)
    assert len(server.sent) == 1


def test_too_many_requests_are_waited_out() -> None:
    slow = Answer(503, "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>")
    with serving(slow, slow, Answer(404, "<Error><Code>NoSuchKey</Code></Error>")) as server, pytest.raises(ObjectGone):
        list(open_object(impatient_s3(server.url), Place("b", "k"), 5))
    assert len(server.sent) == 3
    with serving(slow) as server, pytest.raises(TransientError, match="503 SlowDown"):
        list(open_object(impatient_s3(server.url), Place("b", "k"), 5))


def test_bytes_that_are_damaged_on_their_way(s3: Any, bucket: str) -> None:
    """S3 keeps a checksum of what was put; boto3 compares it at the end of the body."""
    place = put(s3, bucket)
    read: Any = open_object(s3, place, len(CONTENT))
    next(read)
    body = read.gi_frame.f_locals["body"]
    body._stream._checksum.update(b"x")
    with pytest.raises(TransientError, match="checksum"):
        list(read)


@pytest.fixture
def login(tmp_path: Any) -> Iterator[None]:
    names = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "eu-west-1"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with patch.dict(os.environ, {**kept, **names, "AWS_CONFIG_FILE": str(tmp_path / "config")}, clear=True):
        yield


@pytest.mark.usefixtures("login")
def test_a_client_by_the_environment() -> None:
    client = build_s3(connections=17)
    assert client.meta.endpoint_url == "https://s3.eu-west-1.amazonaws.com"
    assert client.meta.config.s3["addressing_style"] == "auto"
    assert client.meta.config.max_pool_connections == 17
    assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 10}


@pytest.mark.usefixtures("login")
def test_a_client_of_another_s3_puts_the_bucket_into_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Answer(200, "<ListBucketResult></ListBucketResult>")) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url.replace("127.0.0.1", "localhost"))
        build_s3().list_objects_v2(Bucket="shelf")
    assert server.sent[0].path.startswith("/shelf?")


@pytest.mark.usefixtures("login")
def test_requests_say_who_pays_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Answer(200, "<ListBucketResult></ListBucketResult>")) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        for payer in ("requester", None):
            s3 = build_s3(request_payer=payer)
            s3.list_objects_v2(Bucket="My_Old.Shelf")
            s3.get_object(Bucket="My_Old.Shelf", Key="k")
            s3.list_buckets()
    assert [sent.headers.get("x-amz-request-payer") for sent in server.sent] == ["requester"] * 2 + [None] * 4
    assert server.sent[0].path.startswith("/My_Old.Shelf?")


@pytest.mark.usefixtures("login")
def test_settings_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "localhost:9000")
    with pytest.raises(Refused, match="The S3 client could not be created"):
        build_s3()
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(Refused, match="nobody"):
        build_s3()
