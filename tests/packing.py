"""Every layer that is taken off, put on."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable

import cramjam
import zstandard

from opensearch_strata.archive.decode.layers import Damaged, DecompressionLimits, decoded
from tests.envelopes import blocks_of

Pack = Callable[[bytes], bytes]


def zipped(*files: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file with a directory and these files."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        archive.writestr("logs/", b"")
        for number, file in enumerate(files):
            archive.writestr(f"logs/{number}", file)
    return target.getvalue()


def tarred(*files: bytes, form: int = tarfile.PAX_FORMAT, name: str = "logs/{}") -> bytes:
    """A tar file with a directory and these files."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as archive:
        folder = tarfile.TarInfo("logs")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for number, file in enumerate(files):
            info = tarfile.TarInfo(name.format(number))
            info.size = len(file)
            archive.addfile(info, io.BytesIO(file))
    return target.getvalue()


def hadoop_snappy(data: bytes) -> bytes:
    """Blocks of up to 4 KiB in parts of up to 1 KiB, as Hadoop's BlockCompressorStream writes them."""
    written = b""
    for block in blocks_of(data, 4096):
        written += len(block).to_bytes(4, "big")
        for part in blocks_of(block, 1024):
            raw = bytes(cramjam.snappy.compress_raw(part))
            written += len(raw).to_bytes(4, "big") + raw
    return written


PACKS: dict[str, Pack] = {
    "gzip": gzip.compress,
    "zip": zipped,
    "tar": tarred,
    "zstd": zstandard.ZstdCompressor().compress,
    "bzip2": bz2.compress,
    "snappy": lambda data: bytes(cramjam.snappy.compress(data)),
    "hadoop-snappy": hadoop_snappy,
}
IN_MEMBERS = ["gzip", "zstd", "bzip2", "snappy", "hadoop-snappy"]
"""Those of which several files, one behind the other, are one."""
TEXT = b'{"messageType":"DATA_MESSAGE","logEvents":[]}\n' * 3


def unpacked(
    data: bytes, size: int = 2**20, limits: DecompressionLimits | None = None
) -> tuple[bytes, list[str], Damaged | None]:
    """What is given, the layers, and what is wrong."""
    names: list[str] = []
    content = []
    try:
        for block in decoded(blocks_of(data, size), limits or DecompressionLimits(), names):
            content.append(block)
    except Damaged as damage:
        return b"".join(content), names, damage
    return b"".join(content), names, None
