"""S3 and SQS on 127.0.0.1: moto's server, whose S3 content survives in a file. Its queues do not."""

from __future__ import annotations

import argparse
import copyreg
import pickle
from pathlib import Path
from typing import Any

import moto
from moto import server
from moto.s3.models import s3_backends
from moto.s3.utils import _VersionedKeyStore
from tenacity import retry, retry_if_exception_type, stop_after_attempt


def main() -> None:
    """Restore S3 from the file, serve until SIGTERM, and save S3 to the file."""
    parser = argparse.ArgumentParser(prog="python -m local.aws", description="Run S3 and SQS on 127.0.0.1.")
    parser.add_argument("--port", type=int, required=True, help="HTTP port")
    parser.add_argument("--keep", type=Path, required=True, help="file for the content of S3")
    arguments = parser.parse_args()
    restore(arguments.keep)
    try:
        server.main([f"--port={arguments.port}"])
    finally:
        keep(arguments.keep)


def restore(file: Path) -> None:
    """Fill S3 with the content that an earlier server saved, if that server had this version of moto."""
    if not file.exists():
        return
    version, state = pickle.loads(file.read_bytes())
    if version != moto.__version__:
        aside = file.with_suffix(f".{version}")
        file.replace(aside)
        print(f"S3 starts empty: {aside} was saved by moto {version}, but this is {moto.__version__}.", flush=True)
        return
    for account, partitions in state["backends"].items():
        s3_backends[account].update(partitions)
    s3_backends.bucket_accounts.update(state["accounts"])


def _with_all_versions(store: _VersionedKeyStore) -> tuple[Any, ...]:
    """How to pickle an object's versions: by default, the dictionary shows only the newest version of a key."""
    versions = ((key, version) for key, every in store.lists() for version in every)
    return _VersionedKeyStore, (), None, None, versions


copyreg.pickle(_VersionedKeyStore, _with_all_versions)


# An unfinished request may change a dictionary while it is being written.
@retry(retry=retry_if_exception_type(RuntimeError), stop=stop_after_attempt(5), reraise=True)
def keep(file: Path) -> None:
    """Save the content of S3: buckets, and objects with their versions, dates and metadata."""
    backends = {account: dict(partitions) for account, partitions in s3_backends.items()}
    state = {"backends": backends, "accounts": s3_backends.bucket_accounts}
    partial = file.with_suffix(".partial")
    partial.write_bytes(pickle.dumps((moto.__version__, state)))
    partial.replace(file)


if __name__ == "__main__":
    main()
