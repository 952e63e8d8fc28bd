"""Estimates the documents, minutes and disk space of a load, from a sample and from earlier loads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensearch_strata.errors.amounts import size

if TYPE_CHECKING:
    from opensearch_strata.archive.planning.sampling import Sample

ASSUMED_RATE = 20_000.0
"""Events a second that are expected of a loader until a first load has been measured."""

DISK_SHARE = 1.1
"""Bytes that an index needs per byte of its documents. MySQL statements of 476 bytes took 0.9 with keywords and 1.1
with the dynamic mapping, which indexes each text twice; repetitive logs take less."""

_TELLING_SECONDS = 2.0  # shorter loads say more about their start than about their speed


@dataclass(frozen=True)
class DiskRoom:
    """What the cluster's disks allow.

    :param free: free bytes below the high watermark; None if the cluster does not report them
    :param copies: number of copies of a document, replicas included
    """

    free: int | None
    copies: int


@dataclass(frozen=True)
class Estimate:
    """What a load will take, estimated from a sample.

    :param documents: number of documents to be created
    :param document_bytes: their bytes, uncompressed
    :param filtered: events that are read and left out, because they are of other days or unwanted
    :param unwanted: those among them that ``intake.keep`` and ``intake.skip`` leave out
    :param dead: records that will become dead letters
    :param rate: events a second
    :param measured: whether the rate was measured in earlier loads of these objects; otherwise it is
        :data:`ASSUMED_RATE`
    :param disk_bytes: bytes needed on all nodes, replicas included
    :param free_bytes: free bytes below the high watermark; None if the cluster does not report them
    """

    documents: int
    document_bytes: int
    filtered: int
    unwanted: int
    dead: int
    rate: float
    measured: bool
    disk_bytes: int
    free_bytes: int | None

    @property
    def minutes(self) -> float:
        """How many minutes one loader takes."""
        return (self.documents + self.filtered + self.dead) / self.rate / 60

    @property
    def refusal(self) -> str | None:
        """Why the load must not start, in sentences; None if it fits on the disks, or if that is not known."""
        if self.free_bytes is None or self.disk_bytes <= self.free_bytes:
            return None
        return (
            f"The documents need about {size(self.disk_bytes)} on the disks of OpenSearch, but only "
            f"{size(self.free_bytes)} is free below the high watermark. Nothing was loaded. Use a shorter range, or "
            f"make room: drop raw days, reduce the number of replicas, or enlarge the disks."
        )


def estimate(sample: Sample, packed: int, rate: float | None, room: DiskRoom) -> Estimate:
    """Extrapolate a sample to all objects.

    :param packed: bytes of all objects in S3
    :param rate: see :func:`rate_of`
    """
    share = packed / sample.packed if sample.packed else 0.0
    document_bytes = round(sample.document_bytes * share)
    return Estimate(
        documents=round(sample.documents * share),
        document_bytes=document_bytes,
        filtered=round(sample.filtered * share),
        unwanted=round(sample.unwanted * share),
        dead=round(sample.dead * share),
        rate=rate or ASSUMED_RATE,
        measured=rate is not None,
        disk_bytes=round(document_bytes * DISK_SHARE * room.copies),
        free_bytes=room.free,
    )


def rate_of(read: int, seconds: float) -> float | None:
    """Events a second of earlier loads; None if they were too short to tell.

    :param read: how many events they read
    :param seconds: how long that took
    """
    return read / seconds if read and seconds >= _TELLING_SECONDS else None
