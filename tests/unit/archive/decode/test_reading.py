"""A whole object: layers, format and records together, and how it ends."""

from __future__ import annotations

import bz2
import gzip
import json
import random
from collections.abc import Callable, Iterator

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.decode.layers import DecompressionLimits, TooLarge
from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.events import Broken, Event
from tests.envelopes import CONTROL, blocks_of, envelope, messages_in, packed, read

CONTENTS: dict[str, bytes] = {
    "cloudwatch": b"".join(packed(one) for one in (envelope(["a", "b}{"]), CONTROL, envelope(["c\n"], 5))),
    "json": b'{"a":1}\n{"b":[{"c":"}{"}]}\n{"d":"\xe6\x97\xa5"}\n',
    "strata": b'{"_id":"1","_source":{"a":1}}\n{"_id":"2","_source":{"a":2}}\n',
    "export_task": b"2024-05-06T07:08:09.123Z one\n two\n2024-05-06T07:08:10.000Z three\n",
    "lines": b"one\r\n\ntwo\nthree",
    "firehose_errors": b'{"errorCode":"1","rawData":"YQpi"}{"errorCode":"2","rawData":"Yw=="}',
}
LAYERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@given(st.sampled_from(sorted(CONTENTS)), st.lists(st.sampled_from(sorted(LAYERS)), max_size=3), st.integers(1, 500))
def test_neither_layers_nor_blocks_change_what_is_read(name: str, layers: list[str], size: int) -> None:
    data = CONTENTS[name]
    for layer in reversed(layers):
        data = LAYERS[layer](data)
    reading = Reading(blocks_of(data, size))
    assert list(reading) == read(CONTENTS[name])
    assert (reading.layers, reading.format, reading.damage) == (layers, name, None)


@pytest.mark.parametrize("name", sorted(CONTENTS))
def test_a_cut_in_a_layer_keeps_every_complete_record_and_makes_no_other(name: str) -> None:
    """Members of one record each: what is complete is known."""
    rng = random.Random(7)
    records = {
        "cloudwatch": [packed(envelope([rng.randbytes(8).hex()], number)) for number in range(3)],
        "json": [packed({"n": rng.randbytes(8).hex()}) + b"\n" for _ in range(3)],
        "strata": [b'{"_id":"%d","_source":{"n":1}}\n' % number for number in range(3)],
        "export_task": [b"2024-05-06T07:08:09.12%dZ one\n two\n" % number for number in range(3)],
        "lines": [rng.randbytes(8).hex().encode() + b"\n" for _ in range(3)],
        "firehose_errors": [b'{"errorCode":"1","rawData":"Y%d=="}' % (number * 4) for number in range(3)],
    }[name]
    whole = read(b"".join(records), name)
    members = [gzip.compress(record) for record in records]
    data = b"".join(members)
    borders = [sum(map(len, members[:count])) for count in range(1, 4)]
    for cut in range(12, len(data)):
        reading = Reading([data[:cut]], name)
        found = list(reading)
        complete = sum(border <= cut for border in borders)
        events = [item for item in found if isinstance(item, Event)]
        assert events == whole[: len(events)]
        # The last entry may go on in the next line: if the object was cut off behind it, that is not known.
        assert len(events) >= complete - (name == "export_task")
        assert (reading.damage is None) == (cut in borders)
        assert [type(item) for item in found[len(events) :]] == ([] if cut in borders else [Broken])


def test_the_tail_of_a_damaged_object_is_kept() -> None:
    data = gzip.compress(b"one\ntwo\nthr")[:-4]
    reading = Reading([data])
    one, two, broken = reading
    assert messages_in([one, two]) == ["one", "two"]
    assert isinstance(broken, Broken)
    assert (broken.record, broken.raw) == (2, b"thr")
    assert "ends too early" in broken.reason
    assert reading.damage == (
        f"The gzip layer ends in the middle of a member, at byte {len(data)} of its input; "
        "everything complete before that was read."
    )


def test_the_tail_of_damaged_json_is_kept() -> None:
    one, broken = Reading([gzip.compress(b'{"a":1}{"b":[1')[:-4]])
    assert messages_in([one]) == [{"a": 1}]
    assert isinstance(broken, Broken)
    assert broken.raw == b'{"b":[1'


@pytest.mark.parametrize(("format", "begins"), [("lines", lambda line: line.startswith(">")), ("export_task", None)])
def test_an_entry_that_may_go_on_is_not_taken_for_complete(format: str, begins: Callable[[str], bool] | None) -> None:
    start = ">" if begins else "2024-05-06T07:08:09.123Z "
    data = gzip.compress(f"{start}one\n more\n{start}two\n mo".encode())[:-1]
    one, broken = Reading([data], format, begins)
    assert str(messages_in([one])[0]).endswith("one\n more")
    assert isinstance(broken, Broken)
    assert broken.raw == f"{start}two\n mo".encode()


def test_begins_joins_plain_lines_only() -> None:
    found = read(b"> one\r\n two\n\n> three\n", begins=lambda line: line.startswith(">"))
    assert found == [Event(0, 0, "> one\n two", b"> one\n two"), Event(3, 0, "> three", b"> three")]
    assert messages_in(read(b'{"a":1}\n', begins=lambda line: False)) == [{"a": 1}]


def test_statements_of_any_bytes_are_text_where_the_first_line_begins_an_entry() -> None:
    blob = bytes(range(1, 9)) * 50

    def begins(line: str) -> bool:
        return line.startswith(">")

    reading = Reading([b"\n> one " + blob + b"\n two\r\n> three"], begins=begins)
    assert messages_in(list(reading)) == [f"> one {blob.decode()}\n two\r", "> three"]
    assert (reading.format, reading.damage) == ("lines", None)
    for other in (Reading([blob], begins=begins), Reading([b"> one " + blob])):
        assert [type(item) for item in other] == [Broken]


def test_a_byte_order_mark_is_no_part_of_the_content() -> None:
    for name, content in CONTENTS.items():
        reading = Reading([gzip.compress(b"\xef\xbb\xbf" + content)])
        assert list(reading) == read(content)
        assert reading.format == name


def test_a_named_format_is_not_asked_of_the_content() -> None:
    assert messages_in(read(CONTENTS["json"], "lines")) == CONTENTS["json"].decode().splitlines()


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_an_empty_object_gives_nothing(layers: int) -> None:
    data = b""
    for _ in range(layers):
        data = gzip.compress(data)
    reading = Reading([data])
    assert list(reading) == []
    assert reading.damage is None


def test_an_object_of_which_only_a_header_is_there_is_damaged() -> None:
    reading = Reading([gzip.compress(b"text")[:9]])
    (broken,) = reading
    assert isinstance(broken, Broken)
    assert reading.damage
    assert (broken.record, broken.raw, reading.format) == (0, b"", "")


def test_garbage_is_one_broken_record_and_damage() -> None:
    data = random.Random(9).randbytes(100_000)
    reading = Reading([data])
    (broken,) = reading
    assert isinstance(broken, Broken)
    assert broken.raw == data[: len(broken.raw)]
    assert reading.damage == "The content has no known format and is not text."


def test_a_bomb_is_raised() -> None:
    with pytest.raises(TooLarge):
        list(Reading([gzip.compress(b"a\n" * 2**20)], limits=DecompressionLimits(ratio=10, free=2**16)))


def test_errors_of_the_download_come_through() -> None:
    def download() -> Iterator[bytes]:
        yield gzip.compress(b"one\ntwo\n")
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        list(Reading(download()))


@given(st.integers(1, 60), st.integers(0, 2**32))
def test_five_percent_of_poison_loses_itself_and_nothing_else(size: int, seed: int) -> None:
    rng = random.Random(seed)
    poison = {number for number in range(300) if rng.random() < 0.05}
    broken = [b'{"n":', b'{"n":"\n', b"nonsense", b'{"n":1,}', b"\xff\xfe\x01"]
    written = [rng.choice(broken).strip() if n in poison else json.dumps({"n": n}).encode() for n in range(300)]
    found = list(Reading(blocks_of(b"\n".join([b'{"n":-1}', *written]), size * 97)))
    assert [message["n"] for message in messages_in(found)] == [-1] + [n for n in range(300) if n not in poison]
    lost = b"\n".join(item.raw for item in found if isinstance(item, Broken))  # neighbours may be in one
    assert lost.split(b"\n") == [written[n] for n in sorted(poison)]
