"""What integration tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StreamFactory
from tests.shell import Shell


@pytest.fixture
def shell(opensearch_url: str, make_stream: StreamFactory, tmp_path: Path) -> Iterator[Shell]:
    """``strata`` on the node, with no dataset yet."""
    made = Shell(opensearch_url, make_stream, tmp_path)
    yield made
    made.end()
