"""One side in a process of its own, as AWS Lambda runs it: the standard library, one thread, 512 MB.

Run as a program, it takes the folder or archive of the code, its handler and a file with invocations, one a line. It
calls the handler with each, writes the answer as the runtime does, and prints CPU seconds and memory as JSON. boto3 is
replaced by a stream that takes everything at once, so that only the function's own work counts.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.append(str(Path(__file__).parents[2]))
from benchmarks.peak_memory import peak_bytes  # isolated, the interpreter does not look here by itself

MEMORY = 512 * 2**20
"""Bytes of address space that the process may have."""


class TakesAll:
    """A stream of Firehose."""

    def put_record_batch(self, **request: Any) -> dict[str, Any]:
        """Take all records."""
        return {"FailedPutCount": 0, "RequestResponses": [{"RecordId": "1"} for _ in request["Records"]]}


class Context:
    """Of AWS Lambda."""

    def get_remaining_time_in_millis(self) -> int:
        """A minute, whenever it is asked."""
        return 60_000


def main() -> None:
    """Call the handler with each invocation."""
    code, name, invocations = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    replaced: Any = ModuleType("boto3")
    replaced.client = lambda *_, **__: TakesAll()
    config: Any = ModuleType("botocore.config")
    config.Config = dict
    sys.modules |= {"boto3": replaced, "botocore.config": config}
    sys.path.insert(0, code)
    module, _, function = name.rpartition(".")
    handler = getattr(importlib.import_module(module), function)
    seconds, answers = list[float](), list[int]()
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), Path(invocations).open() as lines:
        for line in lines:
            began = time.process_time()
            answer = json.dumps(handler(json.loads(line), Context()))
            seconds.append(time.process_time() - began)
            answers.append(len(answer))
    found = {
        "seconds": seconds,
        "answer_bytes": max(answers),
        "peak_bytes": peak_bytes(),
        "python": sys.version.split()[0],
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
