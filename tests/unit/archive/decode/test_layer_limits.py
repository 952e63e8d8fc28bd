"""What an object may cost while its layers are taken off: time, memory, and the limits of bombs."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator

import pytest
from isal import igzip

from local.places import PROJECT
from opensearch_strata.archive.decode.byte_stream import Source
from opensearch_strata.archive.decode.codecs.compressed import bunzipped, gunzipped, unzstandard
from opensearch_strata.archive.decode.layers import DecompressionLimits, TooLarge
from tests.packing import PACKS, TEXT, unpacked, zipped


def test_a_fourth_layer_is_refused() -> None:
    data = TEXT
    for _ in range(4):
        data = gzip.compress(data)
    with pytest.raises(TooLarge, match="more than 3 layers"):
        unpacked(data)


@pytest.mark.parametrize("name", sorted(PACKS))
def test_a_bomb_is_stopped_by_its_ratio(name: str) -> None:
    data = PACKS[name](bytes(2**22) if name != "hadoop-snappy" else b"\1" * 2**22)
    if name == "tar":  # which alone makes nothing smaller
        data = gzip.compress(data)
    with pytest.raises(TooLarge, match="for each byte of the object"):
        unpacked(data, limits=DecompressionLimits(ratio=10, free=2**20))
    unpacked(data, limits=DecompressionLimits(ratio=10, free=2**22 + 2**14))  # a tar file has headers and padding


@pytest.mark.parametrize(("name", "unpack"), [("gzip", gunzipped), ("zstd", unzstandard), ("bzip2", bunzipped)])
def test_a_bomb_comes_in_pieces_of_bounded_size(name: str, unpack: Callable[[Source], Iterator[bytes]]) -> None:
    sizes = [len(piece) for piece in unpack(Source([PACKS[name](bytes(2**27))]))]
    assert sum(sizes) == 2**27
    assert max(sizes) <= 2**24


def test_a_bomb_is_stopped_by_its_size_and_in_its_inner_layer() -> None:
    data = gzip.compress(gzip.compress(bytes(2**22)))
    with pytest.raises(TooLarge, match=r"more than 976\.6 KiB"):
        unpacked(data, limits=DecompressionLimits(bytes=1_000_000))
    with pytest.raises(TooLarge):
        unpacked(zipped(*[bytes(2**20)] * 4), limits=DecompressionLimits(bytes=3_000_000))


def test_members_cost_in_proportion_to_their_number() -> None:
    member = gzip.compress(random.Random(3).randbytes(40))

    def seconds(count: int) -> float:
        data = member * count
        started = time.process_time()
        assert len(unpacked(data)[0]) == 40 * count
        return time.process_time() - started

    few = min(seconds(4_000) for _ in range(3))
    assert min(seconds(32_000) for _ in range(2)) < 8 * 3 * few


MEASURE = """
import sys
from opensearch_strata.archive.decode.layers import decoded
import {module}

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

def blocks(path):
    with open(path, "rb") as file:
        while block := file.read(2**20):
            yield block

small, large = sys.argv[1:]
sum(map(len, decoded(blocks(small))))
before = peak()
print(sum(map(len, decoded(blocks(large)))), peak() - before)
"""


@pytest.mark.parametrize(("name", "module"), [("gzip", "isal.igzip_lib"), ("zstd", "zstandard"), ("zip", "zipfile")])
def test_memory_does_not_grow_with_the_object(tmp_path_factory: pytest.TempPathFactory, name: str, module: str) -> None:
    folder = tmp_path_factory.mktemp("memory")
    rng = random.Random(5)
    text = b"".join(rng.randbytes(3000).hex().encode() for _ in range(2700)) * 4  # 64 MB
    packs: dict[str, Callable[[bytes], bytes]] = {
        **PACKS,
        "gzip": igzip.compress,
        "zip": lambda data: zipped(data, method=zipfile.ZIP_STORED),
    }
    pack = packs[name]
    (folder / "small").write_bytes(pack(TEXT))
    (folder / "large").write_bytes(pack(text))
    answer = subprocess.run(
        [sys.executable, "-c", MEASURE.format(module=module), str(folder / "small"), str(folder / "large")],
        env={**os.environ, "PYTHONPATH": str(PROJECT / "plugins")},
        capture_output=True,
        text=True,
        check=True,
    )
    size, kilobytes = map(int, answer.stdout.split())
    assert size == len(text)
    assert kilobytes < 40_000
