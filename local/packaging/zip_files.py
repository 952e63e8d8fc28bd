"""Zip files that have the same bytes whenever they hold the same files. Standard library only."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

OLDEST = (1980, 1, 1, 0, 0, 0)
"""The time of each file in the archive, so that unchanged files have the same bytes: new ones trigger an update."""


def write_zip(archive: Path, files: Mapping[str, Path]) -> None:
    """Write a zip file.

    :param archive: the file to write; its folder exists
    :param files: name in the archive -> file
    """
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, path in sorted(files.items()):
            member = zipfile.ZipInfo(name, OLDEST)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16  # otherwise nobody could read the unpacked files
            packed.writestr(member, path.read_bytes())
