"""Layers: any nesting, any blocks, one result; damage costs nothing that is before it; bombs are stopped."""

from __future__ import annotations

import bz2
import gzip
import io
import random
import re
import zipfile
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.decode.byte_stream import BYTE_ORDER_MARK
from opensearch_strata.archive.decode.layers import decoded
from tests.packing import IN_MEMBERS, PACKS, TEXT, unpacked, zipped

FILES = ("gzip", "zstd", "bzip2")
"""Formats whose members may be files of their own, joined by `cat`."""


@given(
    st.lists(st.sampled_from(sorted(PACKS)), max_size=3),
    st.binary(max_size=200).map(lambda text: b"a text: " + text),
    st.integers(1, 400),
)
def test_any_nesting_in_any_blocks_is_taken_off(names: list[str], text: bytes, size: int) -> None:
    data = text
    for name in reversed(names):
        data = PACKS[name](data)
    assert unpacked(data, size) == (text, names, None)


@given(st.sampled_from(IN_MEMBERS), st.lists(st.binary(min_size=1, max_size=3000), min_size=1, max_size=6), st.data())
def test_members_are_read_one_behind_the_other(name: str, parts: list[bytes], data: st.DataObject) -> None:
    parts[0] = b"text" + parts[0]
    written = b"".join(PACKS[name](part) for part in parts) + bytes(data.draw(st.integers(0, 40)))
    size = data.draw(st.integers(1, 2 * len(written)))
    first, *more = parts
    marked = BYTE_ORDER_MARK if name in FILES else b"none"
    wanted = first + b"".join(b"\n" * part.startswith(marked) + part for part in more)
    assert unpacked(written, size) == (wanted, [name], None)


@pytest.mark.parametrize("size", [1, 7, 600, 100_000])
@pytest.mark.parametrize("name", FILES)
def test_a_later_member_with_a_byte_order_mark_begins_a_line(name: str, size: int) -> None:
    more = BYTE_ORDER_MARK + random.Random(1).randbytes(6000)  # more than the first step of a decompressor gives
    assert unpacked(PACKS[name](b"first") + PACKS[name](more), size) == (b"first\n" + more, [name], None)


@pytest.mark.parametrize("name", sorted(PACKS))
def test_zeros_at_the_end_are_padding(name: str) -> None:
    for zeros in (1, 3, 4, 512, 70_000):
        assert unpacked(PACKS[name](TEXT) + bytes(zeros)) == (TEXT, [name], None)


@pytest.mark.parametrize("name", sorted(PACKS))
def test_junk_at_the_end_costs_nothing_before_it(name: str) -> None:
    content, _, damage = unpacked(PACKS[name](TEXT) + b"\xfe\xfeJUNK" * 20)
    assert content == TEXT
    assert damage
    assert name in str(damage)
    assert damage.at >= len(PACKS[name](TEXT)) - 1
    assert not damage.at_end


@pytest.mark.parametrize("name", IN_MEMBERS)
def test_whole_members_survive_a_cut_at_any_byte(name: str) -> None:
    pack = PACKS[name]
    members = [pack(random.Random(number).randbytes(90) + b"\n") for number in range(3)]
    texts = [random.Random(number).randbytes(90) + b"\n" for number in range(3)]
    texts[0] = b"text" + texts[0]
    members[0] = pack(texts[0])
    whole = b"".join(members)
    borders = [0, len(members[0]), len(members[0] + members[1]), len(whole)]
    for cut in range(16, len(whole)):
        content, names, damage = unpacked(whole[:cut])
        kept = b"".join(texts[: sum(1 for border in borders[1:] if border <= cut)])
        assert content.startswith(kept)
        assert b"".join(texts).startswith(content)
        assert names == [name]
        lost = whole[max(border for border in borders if border <= cut) : cut]
        assert damage or not lost.strip(b"\0") or lost == b"\xff\x06\x00\x00sNaPpY"
        assert damage is None or damage.at_end


@pytest.mark.parametrize("name", IN_MEMBERS)
@pytest.mark.parametrize("outer", ["", "gzip", "zip"])
def test_a_damaged_member_leaves_those_behind_it_unread(name: str, outer: str) -> None:
    bad = bytearray(PACKS[name](random.Random(1).randbytes(90)))
    bad[8:30] = b"\xff" * 22
    inner = PACKS[name](TEXT) + bytes(bad) + PACKS[name](TEXT)
    content, _, damage = unpacked(PACKS[outer](inner) if outer else inner)
    assert content == TEXT
    assert damage
    assert not damage.at_end


@pytest.mark.parametrize("name", IN_MEMBERS)
def test_a_file_that_is_cut_off_is_the_end_of_a_zip_only_if_it_is_the_last(name: str) -> None:
    cut = PACKS[name](random.Random(1).randbytes(90))[:-20]
    assert [unpacked(zipped(*files))[2].at_end for files in ([TEXT, cut], [cut, TEXT])] == [True, False]  # type: ignore[union-attr]
    assert unpacked(gzip.compress(zipped(cut, TEXT))[:-3])[2].at_end is False  # type: ignore[union-attr]
    assert unpacked(gzip.compress(zipped(TEXT, cut))[:-3])[2].at_end  # type: ignore[union-attr]


def test_damage_of_a_member_of_a_zip_costs_none_of_the_others() -> None:
    sound = random.Random(2).randbytes(600).hex().encode() + b"\n"
    for bad in (0, 1, 2):
        data = bytearray(zipped(*[sound] * 3))
        data[[at.start() for at in re.finditer(rb"PK\x03\x04", data)][bad + 1] + 45] ^= 0xFF  # the first is a folder
        content, _, damage = unpacked(bytes(data))
        assert content.count(sound) == 2
        assert "zip layer contains a damaged member" in str(damage)
        assert damage is not None
        assert not damage.at_end


def test_a_zip_that_lacks_its_end_gives_the_files_that_are_there() -> None:
    files = [random.Random(number).randbytes(300).hex().encode() + b"\n" for number in range(3)]
    whole = zipped(*(gzip.compress(file) for file in files))
    for cut in range(40, len(whole) - 1, 7):
        content, names, damage = unpacked(whole[:cut])
        assert b"".join(files).startswith(content)
        assert names[0] == "zip"
        assert damage
        assert damage.at_end
    assert unpacked(whole[: whole.rindex(b"PK\x01\x02") - 5])[0] == b"".join(files)


def test_a_zip_written_without_seeking_and_cut_off_gives_its_files() -> None:
    class Pipe(io.RawIOBase):
        data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.data += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one", TEXT)
        archive.writestr("two", TEXT)
    assert unpacked(pipe.data) == (TEXT * 2, ["zip"], None)
    content, _, damage = unpacked(pipe.data[:-30])
    assert content == TEXT * 2
    assert damage
    assert damage.at_end


def test_a_zip_that_lacks_its_end_and_holds_what_cannot_be_read_without_it_is_not_read_to_its_end() -> None:
    for data in (zipped(TEXT, TEXT, method=zipfile.ZIP_STORED), _overwritten(zipped(TEXT, TEXT))):
        damage = unpacked(data[:-30])[2]
        assert damage
        assert not damage.at_end


def _overwritten(data: bytes) -> bytes:
    at = data.index(b"logs/0") + 7
    return data[:at] + b"\xff" * 8 + data[at + 8 :]


def test_files_of_a_zip_begin_lines_and_may_be_packed_each_in_its_own_way() -> None:
    data = zipped(b"one", gzip.compress(b"two\n"), b"", bz2.compress(b"three"), zipped(b"four"))
    assert unpacked(data)[0] == b"one\ntwo\nthree\nfour"
    assert unpacked(zipped(TEXT, TEXT, method=zipfile.ZIP_STORED)) == (TEXT * 2, ["zip"], None)
    assert unpacked(zipped()) == (b"", ["zip"], None)


def test_two_zips_in_one_object_are_not_read_as_the_second_alone() -> None:
    assert unpacked(zipped(b"one\n") + zipped(b"two\n"))[2]


def test_a_zip_with_a_password_is_damage_and_no_crash() -> None:
    data = bytearray(zipped(TEXT))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.rindex(mark)
        data[at + place] |= 1
    content, _, damage = unpacked(bytes(data))
    assert content == b""
    assert "password" in str(damage) or "encrypted" in str(damage)


@pytest.mark.parametrize("name", IN_MEMBERS)
def test_a_damaged_member_gives_none_of_its_bytes_and_those_before_all_of_theirs(name: str) -> None:
    pack = PACKS[name] if name != "zstd" else zstandard.ZstdCompressor(write_checksum=True).compress
    first, second = pack(TEXT), bytearray(pack(bytes(range(32, 127)) * 5))
    second[-9 if name != "zstd" else -1] ^= 0x55
    content, _, damage = unpacked(first + bytes(second))
    if name == "hadoop-snappy":  # which has no checksum
        assert content.startswith(TEXT)
        return
    assert content == TEXT
    assert damage
    assert "damaged" in str(damage)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize(
    ("mark", "at", "value"),
    [
        (b"PK\x01\x02", 6, b"\xff"),  # needs a version that nobody knows
        (b"PK\x01\x02", 8, b"\x00\x08"),  # says that its name is UTF-8
        (b"PK\x03\x04", 6, b"\x00\x08"),
        (b"PK\x01\x02", 10, b"\x63"),  # a method that nobody knows
        (b"PK\x01\x02", 42, b"\xfe\xff\xff\x7f"),  # begins behind the end
        (b"PK\x03\x04", 40, b"\xff" * 30),  # content
    ],
)
def test_a_damaged_zip_is_damage_and_no_crash(method: int, mark: bytes, at: int, value: bytes) -> None:
    data = bytearray(zipped(TEXT, method=method).replace(b"logs/0", b"logs/\xff"))
    begin = data.rfind(mark) + at
    data[begin : begin + len(value)] = value
    _, names, damage = unpacked(bytes(data))
    assert names[0] == "zip"
    assert damage


@pytest.mark.parametrize("name", ["gzip", "bzip2"])
def test_what_is_held_of_a_damaged_member_is_not_given(name: str) -> None:
    data = bytearray(PACKS[name](random.Random(2).randbytes(400_000)))
    data[-1 if name == "gzip" else -20] ^= 1
    content, _, damage = unpacked(PACKS[name](TEXT) + bytes(data))
    assert content == TEXT
    assert damage


def test_a_long_damaged_member_gives_what_could_be_read() -> None:
    text = b"".join(b"%d\n" % number for number in range(600_000))
    data = bytearray(gzip.compress(text))
    data[len(data) // 2] ^= 0xFF
    content, _, damage = unpacked(bytes(data))
    assert damage
    assert len(content) > len(text) // 3
    assert text.startswith(content[: len(text) // 3])


def test_the_outermost_damage_is_the_cause() -> None:
    members = gzip.compress(b"one\n") + gzip.compress(b"two\n") + gzip.compress(random.Random(1).randbytes(500))
    outer = gzip.compress(members)
    content, names, damage = unpacked(outer[:-250])
    assert content.startswith(b"one\ntwo\n")
    assert names == ["gzip", "gzip"]
    assert damage
    assert damage.at == len(outer) - 250


@pytest.mark.parametrize("inner", IN_MEMBERS)
def test_damage_behind_a_whole_inner_layer_is_damage(inner: str) -> None:
    content, _, damage = unpacked(gzip.compress(PACKS[inner](TEXT)) + b"JUNK")
    assert content == TEXT
    assert damage
    assert "gzip layer is followed by something else" in str(damage)


@given(st.sets(st.sampled_from([1, 2, 4, 8, 16])), st.integers(1, 40))
def test_every_field_of_a_gzip_header_may_be_cut_by_a_block(fields: set[int], size: int) -> None:
    header = b"\x1f\x8b\x08" + bytes([sum(fields)]) + b"\0\0\0\0\0\x03"
    header += (b"\x03\0abc" if 4 in fields else b"") + (b"name\0" if 8 in fields else b"")
    header += b"comment\0" if 16 in fields else b""
    header += (zlib.crc32(header) & 0xFFFF).to_bytes(2, "little") if 2 in fields else b""
    member = header + gzip.compress(TEXT)[10:]
    assert unpacked(member * 2, size) == (TEXT * 2, ["gzip"], None)


def test_skippable_frames_of_zstd_hold_nothing() -> None:
    skippable = b"\x5a\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"12345"
    frame = PACKS["zstd"](TEXT)
    assert unpacked(skippable + frame + skippable + frame) == (TEXT * 2, ["zstd"], None)


@pytest.mark.parametrize("text", [b"", b"B", b"BZh9 is text", b"PK", b"(text", b"\0\0", b"\xff\x06", b"\x1f"])
def test_what_bears_no_mark_is_content(text: bytes) -> None:
    assert unpacked(text) == (text, [], None)


def test_an_object_without_bytes_gives_nothing() -> None:
    assert list(decoded([])) == []
    assert list(decoded([b"", b""])) == []
    assert unpacked(gzip.compress(b"")) == (b"", ["gzip"], None)


def test_errors_of_the_download_are_not_taken_for_damage() -> None:
    def download() -> object:
        yield gzip.compress(TEXT)[:-4]
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        list(decoded(download()))  # type: ignore[arg-type]
