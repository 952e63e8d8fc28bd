"""Lines packed into objects of S3, none of which exists before all of them are uploaded."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

from opensearch_strata.archive.store.manifest import Archived, Measure
from opensearch_strata.definition.archive import ArchiveSettings, Compression

if TYPE_CHECKING:
    from types import TracebackType

    from botocore.client import BaseClient

CHUNK_BYTES = 32 << 20
"""Bytes of memory from which on lines are sorted and compressed together: these, and at most a page more."""
OBJECT_BYTES = 128 << 20
"""Bytes of lines after which an object ends: enough for a restore or a query to read several at the same time."""
UPLOAD_BYTES = 8 << 20
"""The least bytes of an upload's part but the last; S3 demands 5 MiB."""

_PIECE_BYTES = 1 << 20  # of lines that are joined, hashed and compressed in one call
_AROUND_LINE = 57  # bytes of memory that a line takes beyond its own: Python's object, and its place in a list

SUFFIXES: dict[Compression, str] = {"zstd": "zst", "gzip": "gz"}


class Frame(Protocol):
    """A frame of zstd or a member of gzip that is being written."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def compressor(compression: Compression) -> Callable[[int], Frame]:
    """Begins a frame for so many bytes of lines.

    Zstandard's first level looks for long matches only, of which sorted lines have many: on the reference workload it
    packs better than level 3, at twice its speed. It runs in a thread of Zstandard's own, beside the hash.

    :param compression: of the archive
    """
    import zstandard

    if compression == "gzip":
        return lambda _: zlib.compressobj(6, wbits=31)
    packer = zstandard.ZstdCompressor(level=1, write_checksum=True, threads=1)
    return lambda size: packer.compressobj(size=size)


class DayWriter:
    """Takes the lines of a day and uploads them as objects. To be used as a context: what fails leaves nothing.

    :param s3: client of the bucket
    :param settings: where and how
    :param folder: key prefix of the day, with its slash
    :param attempt: tells the objects of one export from those of others
    :param key: brings lines together that are alike
    """

    def __init__(
        self, s3: BaseClient, settings: ArchiveSettings, folder: str, attempt: str, key: Callable[[bytes], bytes]
    ) -> None:
        self._s3, self._settings, self._key = s3, settings, key
        self._name = f"{folder}part-{{:05}}-{attempt}.ndjson.{SUFFIXES[settings.compression]}"
        self._frame = compressor(settings.compression)
        self._lines: list[bytes] = []
        self._bytes = 0
        self._uploads: list[_Upload] = []
        self._open: _Upload | None = None
        self._packing, self._sending = _Beside("strata-pack"), _Beside("strata-send")

    def __enter__(self) -> DayWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._packing.close()
        self._sending.close()
        for upload in self._uploads:
            upload.abort()

    def add(self, lines: Sequence[bytes]) -> None:
        """Take lines; they are packed and uploaded beside the caller's work.

        :param lines: each with its line feed
        """
        self._lines += lines
        self._bytes += sum(map(len, lines)) + _AROUND_LINE * len(lines)
        if self._bytes >= CHUNK_BYTES:
            self._hand_over()

    def finish(self) -> tuple[Archived, ...]:
        """Upload what is left, then make all objects appear.

        :returns: the objects, in order
        """
        self._hand_over()
        self._packing.join()
        if self._open:
            self._open.end()
        self._sending.join()
        return tuple(upload.complete() for upload in self._uploads)

    def _hand_over(self) -> None:
        chunk, self._lines, self._bytes = self._lines, [], 0
        if chunk:
            self._packing.hand_over(lambda: self._pack(chunk))

    def _pack(self, lines: list[bytes]) -> None:
        lines.sort(key=self._key)
        if self._open is None:
            self._open = _Upload(self._s3, self._sending, self._settings, self._name.format(len(self._uploads)))
            self._uploads.append(self._open)
        frame = self._frame(sum(map(len, lines)))
        for piece in _pieces(lines):
            self._open.add(frame.compress(piece), piece)
        self._open.add(frame.flush(), b"")
        if self._open.packed >= OBJECT_BYTES:
            self._open.end()
            self._open = None


def _pieces(lines: list[bytes]) -> Iterator[bytes]:
    """Lines, joined; none of them is left afterwards, and their memory is free as soon as they were taken."""
    many = max(1, len(lines) * _PIECE_BYTES // sum(map(len, lines)))
    lines.reverse()
    while lines:
        taken = lines[-many:]
        del lines[-many:]
        taken.reverse()
        yield b"".join(taken)


class _Beside:
    """Runs one call at a time beside the caller's work.

    :param name: of its thread
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._running: Future[None] | None = None

    def hand_over(self, call: Callable[[], None]) -> None:
        """Begin a call as soon as the last one has ended, and raise what that one raised."""
        self.join()
        self._running = self._pool.submit(call)

    def join(self) -> None:
        """Wait for the last call, and raise what it raised."""
        running, self._running = self._running, None
        if running:
            running.result()

    def close(self) -> None:
        """Wait for the last call, whatever came of it."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class _Upload:
    """A multipart upload of one object."""

    def __init__(self, s3: BaseClient, sending: _Beside, settings: ArchiveSettings, key: str) -> None:
        self._s3, self._sending, self._where = s3, sending, {"Bucket": settings.bucket, "Key": key}
        more: dict[str, Any] = {"StorageClass": settings.storage_class, "ContentType": "application/x-ndjson"}
        if settings.kms_key:
            more |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": settings.kms_key}
        self._id: str | None = s3.create_multipart_upload(**self._where, **more)["UploadId"]
        self.measure = Measure()
        self.packed = 0
        self._waiting: list[bytes] = []
        self._size = 0
        self._parts: list[dict[str, Any]] = []

    def add(self, block: bytes, packed: bytes) -> None:
        """Take compressed bytes.

        :param packed: the bytes that were compressed
        """
        self.measure.add(packed)
        self.packed += len(packed)
        self._waiting.append(block)
        self._size += len(block)
        if sum(map(len, self._waiting)) >= UPLOAD_BYTES:
            self._hand_over()

    def end(self) -> None:
        """Upload what is left."""
        if self._waiting:
            self._hand_over()

    def _hand_over(self) -> None:
        body, self._waiting = b"".join(self._waiting), []
        self._sending.hand_over(lambda: self._send(body))

    def _send(self, body: bytes) -> None:
        number = len(self._parts) + 1
        answer = self._s3.upload_part(**self._where, UploadId=self._id, PartNumber=number, Body=body)
        sums = {name: value for name, value in answer.items() if name.startswith("Checksum") and name != "ChecksumType"}
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"], **sums})

    def complete(self) -> Archived:
        """Make the object appear."""
        self._s3.complete_multipart_upload(
            **self._where, UploadId=self._id, MultipartUpload={"Parts": self._parts}, MpuObjectSize=self._size
        )
        self._id = None
        measured = self.measure.archived(self._where["Key"])
        return measured.model_copy(update=head(self._s3, self._where["Bucket"], measured.key))

    def abort(self) -> None:
        """Leave nothing of an upload that did not complete; one that did is not touched."""
        if self._id:
            upload, self._id = self._id, None
            self._s3.abort_multipart_upload(**self._where, UploadId=upload)


def head(s3: BaseClient, bucket: str, key: str) -> dict[str, Any]:
    """``stored_bytes``, ``etag`` and ``checksum`` of an object, as a manifest names them.

    :param bucket: its bucket
    :param key: its key
    """
    answer = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    sums = {name.removeprefix("Checksum"): value for name, value in answer.items() if name.startswith("Checksum")}
    kept = next((f"{name}:{sums[name]}" for name in sorted(sums) if name != "Type"), None)
    return {"stored_bytes": answer["ContentLength"], "etag": answer["ETag"].strip('"'), "checksum": kept}
