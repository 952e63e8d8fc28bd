"""Where the embedded stack keeps things, and who may reach them."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from local.errors import StackError

PROJECT = Path(__file__).resolve().parents[1]
STACK = PROJECT / ".stack"
"""All that the stack writes into the project: servers, data, logs. Git ignores it, `make clean` removes it."""


def include_folder() -> Path:
    """The user's files that go with the project: $STRATA_INCLUDE_DIR, else its include/.

    The stack's Airflow looks there too; an Airflow of the person's own, which the package would ask first, is not it.
    """
    return Path(os.environ.get("STRATA_INCLUDE_DIR") or PROJECT / "include")


def cache_folder() -> Path:
    """Downloads shared by all checkouts: $STRATA_CACHE, else $XDG_CACHE_HOME/strata, else ~/.cache/strata."""
    if chosen := os.environ.get("STRATA_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "strata"


def running_as_root() -> bool:
    """OpenSearch refuses root, so its server then runs as `nobody` and must be able to reach its files."""
    return os.geteuid() == 0


def others_may_read(path: Path) -> bool:
    """True when every folder down to `path` may be entered, and `path` itself read, by any user."""
    enterable = all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)
    return enterable and bool(path.stat().st_mode & stat.S_IROTH)


def digest(path: Path) -> str:
    """A short name for a path."""
    return hashlib.sha256(bytes(path)).hexdigest()[:12]


def server_folder() -> Path:
    """Folder for what the OpenSearch server reads and writes.

    `.stack/` of the project, except for root in a folder that `nobody` may not enter (a clone below /root, say):
    then one in /var/tmp named after the project's path.
    """
    STACK.mkdir(parents=True, exist_ok=True)
    if not running_as_root() or others_may_read(STACK):
        return STACK
    elsewhere = Path("/var/tmp") / f"strata-{digest(PROJECT)}"
    elsewhere.mkdir(mode=0o755, exist_ok=True)
    found = elsewhere.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise StackError(f"{elsewhere} is not a folder of ours, so nothing was put there. Remove it and try again.")
    elsewhere.chmod(0o755)
    return elsewhere
