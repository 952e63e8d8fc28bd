"""Where the embedded stack keeps its files, and who may access them."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from local.errors import StackError

PROJECT = Path(__file__).resolve().parents[1]
STACK = PROJECT / ".stack"
"""Everything that the stack writes into the project: servers, data, logs. Git ignores it; `make clean` removes it."""


def include_folder() -> Path:
    """Folder of the user's files that belong to the project: $STRATA_INCLUDE_DIR, else the project's include/.

    The stack's Airflow looks there too. The user may have another Airflow, which the package would ask first, but that
    one is not used here.
    """
    return Path(os.environ.get("STRATA_INCLUDE_DIR") or PROJECT / "include")


def cache_folder() -> Path:
    """Folder of downloads for all checkouts: $STRATA_CACHE, else $XDG_CACHE_HOME/strata, else ~/.cache/strata."""
    if chosen := os.environ.get("STRATA_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "strata"


def running_as_root() -> bool:
    """Whether we are root; OpenSearch refuses root, so its server then runs as `nobody` and must reach its files."""
    return os.geteuid() == 0


def others_may_read(path: Path) -> bool:
    """Whether any user may enter every folder down to `path` and read `path` itself."""
    enterable = all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)
    return enterable and bool(path.stat().st_mode & stat.S_IROTH)


def digest(path: Path) -> str:
    """A short name for a path."""
    return hashlib.sha256(bytes(path)).hexdigest()[:12]


def server_folder() -> Path:
    """Folder for the files that the OpenSearch server reads and writes.

    This is the project's `.stack/`, unless we are root and `nobody` may not enter it (in a clone below /root, say);
    then it is a folder in /var/tmp named after the project's path.
    """
    STACK.mkdir(parents=True, exist_ok=True)
    if not running_as_root() or others_may_read(STACK):
        return STACK
    elsewhere = Path("/var/tmp") / f"strata-{digest(PROJECT)}"
    elsewhere.mkdir(mode=0o755, exist_ok=True)
    found = elsewhere.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise StackError(f"{elsewhere} is not our own folder, so nothing was put there. Remove it and try again.")
    elsewhere.chmod(0o755)
    return elsewhere
