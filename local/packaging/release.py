"""`make release`: builds the files of a release from the last commit only, and prints how to tag and upload it."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

from local.errors import StackError
from local.places import PROJECT
from opensearch_strata.errors.amounts import size

log = logging.getLogger("local")


def release(project: Path) -> list[Path]:
    """Build the sdist and wheel of the last commit in ``dist/`` of a checkout, which then contains no others.

    The build happens in a copy of the commit, so stray files in the checkout, such as modules left by an older build,
    do not get into any package. The wheel is built from the sdist, with the setuptools of the lock.

    :param project: the checkout, a git repository.
    :returns: the built files, checked as the package index will check them.
    :raises StackError: a file is not committed, the changelog does not mention the version, or a step failed.
    """
    version = str(tomllib.loads((project / "pyproject.toml").read_text())["project"]["version"])
    if uncommitted := output("git", "status", "--porcelain", cwd=project).splitlines():
        raise StackError(
            uncommitted[0][3:]
            + (f" and {len(uncommitted) - 1} more are" if uncommitted[1:] else " is")
            + " not committed: a release is built from a commit. Nothing was built. Commit or stash, and run it again."
        )
    if not re.search(rf"^## {re.escape(version)} - \d{{4}}-\d\d-\d\d$", (project / "CHANGELOG.md").read_text(), re.M):
        raise StackError(
            f"CHANGELOG.md has no section `## {version} - YEAR-MONTH-DAY`. Nothing was built. "
            "Give the section Unreleased a date, or set another `version` in pyproject.toml."
        )
    dist = project / "dist"
    if dist.exists():
        for old in (*dist.glob("*.whl"), *dist.glob("*.tar.gz")):
            old.unlink()
    tool = str(Path(sys.executable).with_name("uv"))
    with TemporaryDirectory() as folder:
        output("git", "archive", "--output", f"{folder}/commit.tar", "HEAD", cwd=project)
        copy = Path(folder) / "copy"
        copy.mkdir()
        output("tar", "xf", f"{folder}/commit.tar", cwd=copy)
        python = ("--python", sys.executable, "--no-build-isolation")
        output(tool, "build", *python, "--out-dir", str(dist), cwd=copy)
    built = [*dist.glob("*.tar.gz"), *dist.glob("*.whl")]
    output(sys.executable, "-m", "twine", "check", "--strict", *map(str, built), cwd=project)
    return built


def output(*command: str, cwd: Path) -> str:
    """Run a command and return what it writes to stdout.

    :param command: program and arguments.
    :param cwd: folder to run it in.
    :raises StackError: it failed; contains its last line.
    """
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        words = (done.stdout + done.stderr).strip().splitlines() or ["nothing"]
        raise StackError(f"`{Path(command[0]).name} {command[1]}` failed in {cwd}; its last line: {words[-1]}")
    return done.stdout


def commands(built: list[Path], project: Path) -> tuple[str, str]:
    """The commands with which a person tags and uploads; nothing here runs them.

    :param built: sdist and wheel, as :func:`release` returns them.
    :param project: the checkout.
    """
    version = built[0].name.removesuffix(".tar.gz").rpartition("-")[2]
    files = " ".join(str(path.relative_to(project)) for path in built)
    tag = f"git tag -a v{version} -m 'Strata {version}' && git push origin v{version}"
    return tag, f".venv/bin/twine upload {files}"


def main() -> None:
    """Build, check, and print the sizes and the two commands."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        built = release(PROJECT)
    except StackError as failure:
        sys.exit(f"Release stopped: {failure}")
    for path in built:
        log.info("%s, %s, checked", path.relative_to(PROJECT), size(path.stat().st_size))
    log.info("\nTag and upload it yourself:\n\n    %s\n    %s", *commands(built, PROJECT))


if __name__ == "__main__":
    main()
