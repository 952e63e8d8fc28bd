"""What the stack says while it starts."""

from __future__ import annotations

import logging
from unittest.mock import patch

import pytest

from local import stack as module
from local.stack import Stack


def test_each_service_is_told_to_be_ready_once(caplog: pytest.LogCaptureFixture) -> None:
    stack = Stack("test")
    with patch.object(module, "wait_until_ready"), caplog.at_level(logging.INFO, "local.stack"):
        stack.wait_until_ready("aws")
        stack.wait_until_ready("aws")
        stack.wait_until_ready()
    told = sorted(record.getMessage().partition(" ready")[0].strip() for record in caplog.records)
    assert told == ["Airflow", "OpenSearch", "S3 and SQS"]
