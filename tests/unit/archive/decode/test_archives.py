"""Archives of several files, and what tools of other systems write: tar, zip, byte order marks, wide characters."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.decode.codecs import zipped as zip_codec
from opensearch_strata.archive.decode.formats.firehose_errors import events as failed_events
from opensearch_strata.archive.decode.layers import DecompressionLimits, TooLarge, decoded
from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.events import Broken, Event
from opensearch_strata.archive.parsers.mysql.general import GeneralLogEntries
from opensearch_strata.errors import TransientError
from tests.envelopes import blocks_of
from tests.packing import PACKS, TEXT, tarred, unpacked, zipped

MARK = "\ufeff".encode()


def messages(data: bytes, **options: Any) -> list[Any]:
    """Messages of the events; anything else is not expected."""
    found = []
    for item in Reading([data], **options):
        assert isinstance(item, Event), item
        found.append(item.message)
    return found


def tar_of(*members: tarfile.TarInfo, content: bytes = b"") -> bytes:
    """A tar file of members that say what they are, with a file before and one behind."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for info in (tarfile.TarInfo("one"), *members, tarfile.TarInfo("two")):
            text = content if info in members else f"{info.name}\n".encode()
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    return target.getvalue()


def member(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    return info


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("name", ["logs/{}", "a" * 60 + "/" + "b" * 30 + "/{}", "ö{}"])
@pytest.mark.parametrize("size", [1, 511, 2**20])
def test_files_of_a_tar_begin_lines_and_may_be_packed_each_in_its_own_way(form: int, name: str, size: int) -> None:
    data = tarred(b"one", gzip.compress(b"two\n"), b"", zipped(b"three"), tarred(b"four"), form=form, name=name)
    assert unpacked(gzip.compress(data), size)[0] == b"one\ntwo\nthree\nfour"


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_are_no_content(form: int) -> None:
    assert unpacked(tarred(b"one\n", b"two\n", form=form, name="n" * 3000 + "{}"))[0] == b"one\ntwo\n"


def test_an_old_tar_without_a_mark_is_known_by_its_checksum() -> None:
    data = bytearray(tarred(b"one\n", form=tarfile.USTAR_FORMAT))
    for at in (0, 512):
        data[at + 257 : at + 265] = bytes(8)
        data[at + 148 : at + 156] = b" " * 8
        data[at + 148 : at + 155] = b"%06o\0" % sum(data[at : at + 512])
    assert unpacked(bytes(data))[:2] == (b"one\n", ["tar"])


@given(st.integers(0, 10240), st.integers(1, 1000))
def test_a_tar_that_is_cut_off_gives_what_was_there(cut: int, size: int) -> None:
    data = tarred(TEXT, TEXT, b"last\n")
    whole, (content, _, damage) = TEXT * 2 + b"last\n", unpacked(data[:cut], size)
    if cut >= 512:
        assert whole.startswith(content)
        assert (damage is None) == (content == whole and cut > 7 * 512)
        assert damage is None or damage.at_end


def test_damage_in_a_tar_keeps_what_was_before() -> None:
    data = bytearray(tarred(TEXT, TEXT))
    data[512 * 3 : 512 * 4] = b"\xff" * 512
    content, _, damage = unpacked(bytes(data))
    assert content == TEXT
    assert damage is not None
    assert not damage.at_end
    assert "contains something other than a member" in str(damage)


def test_links_and_devices_are_named_and_left_out() -> None:
    kinds = {"link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "null": tarfile.CHRTYPE, "pipe": tarfile.FIFOTYPE}
    reading = Reading([tar_of(*(member(name, kind) for name, kind in kinds.items()))])
    assert [item.message for item in reading if isinstance(item, Event)] == ["one", "two"]
    assert reading.damage is None
    assert len(reading.notes) == 4
    assert reading.notes[0] == "The member 'link' of the tar file is a link and was left out."


def test_a_sparse_file_is_left_out_and_the_object_is_not_whole() -> None:
    reading = Reading([tar_of(member("holes", tarfile.GNUTYPE_SPARSE), content=b"data")])
    assert [item.message for item in reading if isinstance(item, Event)] == ["one", "two"]
    assert reading.left_unread
    assert "sparse files, which are not read: 'holes'" in str(reading.damage)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_of_any_length_takes_bounded_memory(kind: bytes) -> None:
    info = member("x", kind)
    info.size = 2**30

    def blocks() -> Iterator[bytes]:
        yield info.tobuf(tarfile.GNU_FORMAT)
        for _ in range(2**10):
            yield b"a" * 2**20

    tracemalloc.start()
    try:
        assert [type(item) for item in Reading(blocks())] == [Broken]
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_a_tar() -> None:
    def blocks() -> Iterator[bytes]:
        size = len(TEXT * 1000)
        for _ in range(300):
            yield tarred(TEXT * 1000)[: 1024 + size + -size % 512]
        yield bytes(1024)

    tracemalloc.start()
    try:
        given_bytes = sum(map(len, decoded(blocks())))
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()
    assert given_bytes == 300 * 1000 * len(TEXT)


def test_attributes_that_macos_adds_are_no_content() -> None:
    double = b"\x00\x05\x16\x07" + bytes(100)
    for pack in (zipped, tarred):
        reading = Reading([pack(b"one\n", double, b"two\n")])
        assert [item.message for item in reading if isinstance(item, Event)] == ["one", "two"]
        assert "macOS attributes" in reading.notes[0]


PARTS = ['{"n":1}\n', '{"n":2}', '{"n":3}\n', '{"n":4}']
JOINED = {
    "zip": lambda parts: zipped(*parts),
    "tar": lambda parts: gzip.compress(tarred(*parts)),
    "gzip": lambda parts: b"".join(map(gzip.compress, parts)),
    "zstd": lambda parts: b"".join(map(PACKS["zstd"], parts)),
    "plain": b"".join,
}


@pytest.mark.parametrize("how", JOINED)
@pytest.mark.parametrize("size", [1, 7, 2**20])
def test_a_byte_order_mark_before_each_file_or_record_is_left_out(how: str, size: int) -> None:
    data = JOINED[how]([MARK + part.encode() for part in PARTS])
    found = list(Reading(blocks_of(data, size)))
    assert [item.message for item in found if isinstance(item, Event)] == [{"n": n} for n in (1, 2, 3, 4)]
    assert [item.raw for item in found] == [b'{"n":%d}' % n for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("how", [name for name in JOINED if name != "plain"])
@pytest.mark.parametrize("end", ["\n", ""])
def test_a_byte_order_mark_swallows_no_entry(how: str, end: str) -> None:
    files = [f"2025-03-0{n}T07:00:00.000000Z\t   {n} Query\tselect {n}{end}" for n in (1, 2, 3)]
    data = JOINED[how]([MARK + file.encode() for file in files])
    assert messages(data, format="lines", begins=GeneralLogEntries()) == [file.rstrip() for file in files]
    assert messages(data) == [file.rstrip() for file in files]
    times = [f"2025-03-0{n}T07:00:00.000Z text {n}{end}" for n in (1, 2, 3)]
    assert messages(JOINED[how]([MARK + line.encode() for line in times])) == ["text 1", "text 2", "text 3"]


def test_a_byte_order_mark_in_the_data_of_a_failed_delivery_is_left_out() -> None:
    failed = b'{"errorCode":"x","rawData":"77u/eyJuIjoxfQ=="}'
    assert [item.message for item in failed_events([failed]) if isinstance(item, Event)] == [{"n": 1}]


def test_a_byte_order_mark_within_a_line_is_text() -> None:
    assert messages("one \ufeff two\n".encode()) == ["one \ufeff two"]


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("size", [1, 5, 2**20])
def test_wide_characters_are_read(charset: str, size: int) -> None:
    text = '{"text":"naïve 😀"}\r\n{"text":"b"}\r\n'.encode(charset)
    reading = Reading(blocks_of(text, size))
    events: list[Any] = [item for item in reading if isinstance(item, Event)]
    assert [event.message["text"] for event in events] == ["naïve 😀", "b"]
    assert reading.layers == [charset]
    assert messages(zipped(text, text))[2:] == [{"text": "naïve 😀"}, {"text": "b"}]


def test_wide_characters_that_are_cut_off_are_damage() -> None:
    reading = Reading(["one\ntwo\n".encode("utf-16")[:-1]])
    assert [type(item) for item in reading] == [Event, Broken]
    assert reading.damage is not None
    assert "utf-16 layer ends in the middle of a character" in reading.damage


def test_a_zip_that_is_longer_than_its_bound_is_too_large() -> None:
    data = zipped(*(bytes(range(256)) * 4096 for _ in range(3)), method=zipfile.ZIP_STORED)
    assert unpacked(data)[2] is None
    with pytest.raises(TooLarge, match=r"zip layer is longer than 976\.6 KiB"):
        unpacked(data, limits=DecompressionLimits(spool=1_000_000))


def test_a_disk_without_room_for_a_zip_is_told_and_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda **_: Full())
    assert vars(zip_codec)["tempfile"] is tempfile
    with pytest.raises(TransientError, match="No space left on device"):
        unpacked(zipped(TEXT))


def test_a_zip_with_a_name_of_no_letters_is_damage_and_no_crash() -> None:
    data = bytearray(zipped(TEXT))
    at = data.rindex(b"PK\x01\x02")
    name = int.from_bytes(data[at + 28 : at + 30], "little")
    data[at + 28 : at + 32] = (0).to_bytes(2, "little") + name.to_bytes(2, "little")
    _, names, damage = unpacked(bytes(data))
    assert names == ["zip"]
    assert damage


@given(st.data())
def test_damage_anywhere_in_an_archive_is_told_and_nothing_else(data: st.DataObject) -> None:
    pack: Any = data.draw(st.sampled_from([zipped, tarred]))
    written = bytearray(pack(TEXT, gzip.compress(TEXT), b"x\n"))
    for _ in range(data.draw(st.integers(1, 4))):
        written[data.draw(st.integers(0, len(written) - 1))] = data.draw(st.integers(0, 255))
    for item in Reading([bytes(written)]):
        assert isinstance(item, Event | Broken)
