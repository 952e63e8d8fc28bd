"""Transforms records of CloudWatch Logs in Firehose into lines of JSON; the handler of the function.

docs/lambda.md says how it is deployed and what its settings are.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from opensearch_strata.aws_lambda.batch import Batch
from opensearch_strata.aws_lambda.deadline import deadline
from opensearch_strata.aws_lambda.resend import Resender, connected
from opensearch_strata.aws_lambda.settings import Settings, read_settings
from opensearch_strata.aws_lambda.source import source_of


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """What AWS Lambda calls: transforms a batch and prints one line of JSON about it, without what messages say.

    :param event: the invocation by Firehose
    :param context: of AWS Lambda; only its ``get_remaining_time_in_millis`` is used
    :returns: what became of each record, in their order
    :raises DefinitionError: an environment variable cannot be used
    :raises StrataError: the invocation is not by Firehose
    """
    started = time.perf_counter()
    settings = _settings()
    source = source_of(event)
    remaining_ms = context.get_remaining_time_in_millis
    batch = Batch(source, event["records"], settings, deadline(remaining_ms))
    answer = batch.answered(Resender(source, remaining_ms, connected))
    told = {
        "invocationId": str(event.get("invocationId", ""))[:100],
        "source": source.kind,
        **batch.report.as_dict(),
        "milliseconds": round(1000 * (time.perf_counter() - started)),
    }
    print(json.dumps(told))  # noqa: T201 - a line of JSON, whose fields CloudWatch Logs finds by itself
    return answer


@cache
def _settings() -> Settings:
    return read_settings(os.environ)
