"""The stack's S3, as a process of its own: what it holds outlives it."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import moto
import pytest

from local.places import PROJECT
from local.ports import free_port
from local.readiness import answered, wait_until_ready
from tests.archives import s3_environment

pytestmark = pytest.mark.long


@contextmanager
def s3_of(file: Path, said: Path) -> Iterator[Any]:
    """A client of a server that is ended as the stack ends it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with said.open("wb") as output:
        command = [sys.executable, "-m", "local.aws", f"--port={port}", f"--keep={file}"]
        server = subprocess.Popen(command, cwd=PROJECT, stdout=output, stderr=output)
    try:
        wait_until_ready(f"{url}/moto-api/", lambda: server.poll() is None, 60, answered)
        with patch.dict("os.environ", s3_environment(url)):
            client = boto3.client("s3")
        yield client
        client.close()
    finally:
        server.terminate()
        assert server.wait(30) == 0, said.read_text()


def test_what_s3_holds_outlives_its_server(tmp_path: Path) -> None:
    file = tmp_path / "s3.pickle"
    with s3_of(file, tmp_path / "first.log") as s3:
        s3.create_bucket(Bucket="archive")
        s3.put_bucket_versioning(Bucket="archive", VersioningConfiguration={"Status": "Enabled"})
        for body in (b"first", b"second"):
            s3.put_object(Bucket="archive", Key="2013/a", Body=body, Metadata={"made": "here"})
        before = s3.head_object(Bucket="archive", Key="2013/a")
    with s3_of(file, tmp_path / "second.log") as s3:
        after = s3.head_object(Bucket="archive", Key="2013/a")
        for fact in ("LastModified", "ETag", "VersionId", "Metadata", "ContentLength"):
            assert after[fact] == before[fact], fact
        assert len(s3.list_object_versions(Bucket="archive")["Versions"]) == 2
        assert s3.get_object(Bucket="archive", Key="2013/a")["Body"].read() == b"second"


def test_what_another_moto_kept_is_put_aside_and_told(tmp_path: Path) -> None:
    file = tmp_path / "s3.pickle"
    file.write_bytes(pickle.dumps(("1.0.0", {})))
    with s3_of(file, tmp_path / "log") as s3:
        assert s3.list_buckets()["Buckets"] == []
    assert (tmp_path / "s3.1.0.0").exists()
    assert f"saved by moto 1.0.0, but this is {moto.__version__}" in (tmp_path / "log").read_text()
