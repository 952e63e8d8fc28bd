"""The ``_id`` of a loaded document: the same event gets the same id, however often and wherever it was delivered.

It does not depend on the arrival, notification, attempt or version of an object. Pure.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable
from hashlib import blake2b

from opensearch_strata.archive.events import Origin, Place

_HASH_BYTES = 14
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def document_id(stamp: bytes, digest: bytes) -> str:
    """An id of 24 characters: base64url of the event's second (4 bytes, big-endian) and of a hash (14 bytes).

    OpenSearch stores such an id as these 18 bytes (``Uid.encodeId``), so events that are close in time are close
    together where it looks for an id before it creates a document.
    """
    return b2a_base64(stamp + digest, newline=False).translate(_URL_SAFE).decode("ascii")


def hash_of_events(origin: Origin) -> Callable[[str], bytes]:
    """Return a function that hashes CloudWatch's event ids of a log stream, in the same way in any object or bucket."""
    stream = blake2b(_apart(*origin), digest_size=_HASH_BYTES, person=b"event")

    def hash_of(event_id: str) -> bytes:
        state = stream.copy()
        state.update(event_id.encode("utf-8", "surrogatepass"))
        return state.digest()

    return hash_of


class RecordHashes:
    """Hashes of the records of one object whose events have no id: of their bytes and the number of their occurrence.

    So identical records stay distinct, and if an object is rewritten under its key with records added, the records that
    it already had keep their ids, wherever they are now.

    Occurrences are counted for ``section`` distinct records at a time, to use no more than about 110 MB; then counting
    starts again, and the section's number is part of the hash. Only if an object with more distinct records is
    rewritten, and records move across the border between two sections, do these get other ids and so exist twice.
    """

    def __init__(self, place: Place, section: int = 1_000_000) -> None:
        self._object = blake2b(_apart(place.bucket, place.key), digest_size=32, person=b"record")
        self._most = section
        self._section = 0
        self._seen: dict[int, int] = {}

    def hash_of(self, record: bytes) -> bytes:
        """Return the hash of the next record; to be called for every record of the object, in order."""
        state = self._object.copy()
        state.update(record)
        digest = state.digest()
        # 56 bits: two records that share them by chance still have different hashes, as their bytes differ.
        short = int.from_bytes(digest[:7], "big")
        occurrence = self._seen.get(short, 0)
        if not occurrence and len(self._seen) >= self._most:
            self._section += 1
            self._seen.clear()
        self._seen[short] = occurrence + 1
        if not (occurrence or self._section):
            return digest[:_HASH_BYTES]
        which = self._section.to_bytes(8, "big") + occurrence.to_bytes(8, "big")
        return blake2b(digest + which, digest_size=_HASH_BYTES, person=b"occurrence").digest()


def _apart(*parts: str) -> bytes:
    """Join texts, each preceded by its length, so that no two lists of texts give the same bytes."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
