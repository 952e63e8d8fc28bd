"""What the tests of faults share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from opensearch_strata.archive.bulk import delivery
from tests.faults.archives import INTAKE, Archive
from tests.streams import StreamFactory


@pytest.fixture
def archive(s3: Any, bucket: str, make_stream: StreamFactory) -> Iterator[Archive]:
    """An archive with nothing in it yet, and its raw day."""
    stream = make_stream(intake={**INTAKE, "source": f"s3://{bucket}/logs/"})
    stream.create()
    made = Archive(s3, bucket, stream)
    yield made
    made.forget_ledger()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of milliseconds, not seconds."""
    monkeypatch.setattr(delivery, "_BACK_OFF", lambda state: 0.005)
    monkeypatch.setattr(delivery, "_UNTIL_LIFTED", lambda state: 0.05)
