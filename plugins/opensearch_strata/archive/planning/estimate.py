"""What a load will take: documents, minutes and disk, from a sample and from what was loaded before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensearch_strata.errors.amounts import size

if TYPE_CHECKING:
    from opensearch_strata.archive.planning.sampling import Sample

ASSUMED_RATE = 20_000.0
"""Events a second that are expected of a loader before the first load has told."""

DISK_SHARE = 1.1
"""Bytes that an index needs for a byte of its documents. MySQL statements of 476 bytes took 0.9 with keywords, 1.1 with
the dynamic mapping, which has each text twice; logs that repeat themselves take less."""

_TELLING_SECONDS = 2.0  # shorter loads say more of their beginning than of their speed


@dataclass(frozen=True)
class DiskRoom:
    """What the cluster's disks allow.

    :param free: bytes below the high watermark; None if the cluster does not tell
    :param copies: how often a document is held, replicas included
    """

    free: int | None
    copies: int


@dataclass(frozen=True)
class Estimate:
    """What a load will take, as far as a sample tells.

    :param documents: to be created
    :param document_bytes: bytes of them, uncompressed
    :param filtered: events of other days, which are read and left out
    :param dead: records that will be dead letters
    :param rate: events a second
    :param measured: whether earlier loads of these objects told the rate, or it is :data:`ASSUMED_RATE`
    :param disk_bytes: on all nodes, replicas included
    :param free_bytes: below the high watermark; None if the cluster does not tell
    """

    documents: int
    document_bytes: int
    filtered: int
    dead: int
    rate: float
    measured: bool
    disk_bytes: int
    free_bytes: int | None

    @property
    def minutes(self) -> float:
        """How long one loader takes."""
        return (self.documents + self.filtered + self.dead) / self.rate / 60

    @property
    def refusal(self) -> str | None:
        """Why the load must not start: a sentence; None if it fits on the disks, or nobody knows."""
        if self.free_bytes is None or self.disk_bytes <= self.free_bytes:
            return None
        return (
            f"The documents need about {size(self.disk_bytes)} on the disks of OpenSearch, of which "
            f"{size(self.free_bytes)} are free below the high watermark. Nothing was loaded. Take a shorter range, or "
            f"make room: drop raw days, fewer replicas, larger disks."
        )


def estimate(sample: Sample, packed: int, rate: float | None, room: DiskRoom) -> Estimate:
    """What the sample says of all objects.

    :param packed: bytes of all objects in S3
    :param rate: see :func:`rate_of`
    """
    share = packed / sample.packed if sample.packed else 0.0
    document_bytes = round(sample.document_bytes * share)
    return Estimate(
        documents=round(sample.documents * share),
        document_bytes=document_bytes,
        filtered=round(sample.filtered * share),
        dead=round(sample.dead * share),
        rate=rate or ASSUMED_RATE,
        measured=rate is not None,
        disk_bytes=round(document_bytes * DISK_SHARE * room.copies),
        free_bytes=room.free,
    )


def rate_of(read: int, seconds: float) -> float | None:
    """Events a second of earlier loads that read so many in so many seconds; None if that tells too little."""
    return read / seconds if read and seconds >= _TELLING_SECONDS else None
