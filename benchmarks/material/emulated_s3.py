"""S3 in its own process, as separate from the loader as 127.0.0.1 allows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import psutil

from local.places import PROJECT
from local.ports import free_port
from local.processes import die_with_parent, stop_group
from local.readiness import answered, wait_until_ready
from opensearch_strata.archive.store.objects import s3_config

READY_WITHIN = 60
BUCKET = "bench-logs"


@dataclass(frozen=True)
class EmulatedS3:
    """A running moto server with one bucket."""

    url: str
    process: psutil.Process


@contextmanager
def emulated_s3() -> Iterator[EmulatedS3]:
    """An empty bucket that lives as long as the block."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.material.emulator", "--host=127.0.0.1", f"--port={port}"],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(f"{url}/moto-api/", lambda: server.poll() is None, READY_WITHIN, answered)
        s3_at(url).create_bucket(Bucket=BUCKET)
        yield EmulatedS3(url, psutil.Process(server.pid))
    finally:
        stop_group(server)


def s3_at(url: str) -> Any:
    """A boto3 client with the same configuration as Strata's."""
    login = {"aws_access_key_id": "bench", "aws_secret_access_key": "bench", "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=url, config=s3_config(path_style=True), **login)
