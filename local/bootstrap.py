"""Builds .venv from the locks. The Makefile runs this with the system's Python; it needs only the standard library.

A stamp in .venv names the checkout, the Python and the content of the locks it was built from, so a warm start only
compares them. Older Pythons must be able to parse this file too: it then explains what to do instead of failing with a
syntax error.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

NEEDED = (3, 11)
PROJECT = Path(__file__).resolve().parents[1]
VENV = PROJECT / ".venv"
STAMP = VENV / "strata-setup.json"
LOG = PROJECT / ".stack" / "setup.log"
INPUTS = ("requirements.lock", "requirements-dev.lock", "pyproject.toml")

CURES = (
    ("No space left on device", "the disk is full; free about 2 GB (`make clean` helps)"),
    ("Permission denied", "a folder is not writable; check who owns .venv and the pip and uv caches"),
    (
        "Could not find a version|No matching distribution|ConnectionError|NewConnectionError|Max retries"
        "|dns error|Failed to fetch|error sending request|timed out",
        "the package registry did not answer; check the network, the proxy and the registry in pip's configuration",
    ),
)
"""What to look for in the output of pip and uv, and what to advise."""


class SetupError(Exception):
    """One sentence that says what is wrong and how to cure it."""


def main() -> None:
    """Bring .venv up to date, or exit with one sentence."""
    try:
        check_python()
        LOG.parent.mkdir(exist_ok=True)
        with (LOG.parent / "setup.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # of two simultaneous `make`, the second waits and finds everything done
            if read_stamp() != wanted_stamp():
                set_up()
    except SetupError as failure:
        sys.exit(f"Set-up stopped: {failure}")
    except OSError as failure:
        sys.exit(f"Set-up stopped: {failure.strerror} ({failure.filename}).")


def check_version() -> None:
    """Raise SetupError unless this Python is new enough."""
    if sys.version_info < NEEDED:
        newer = [name for name in ("python3.14", "python3.13", "python3.12", "python3.11") if shutil.which(name)]
        cure = f"Run `make PYTHON={newer[0]} ...`." if newer else "Install Python 3.11 or newer."
        raise SetupError(f"{sys.executable} is Python {sys.version.split()[0]}, but Strata needs 3.11. {cure}")


def check_python() -> None:
    """Raise SetupError unless this Python can create the environment."""
    check_version()
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as missing:
        raise SetupError(
            f"this Python has no module {missing.name}. On Debian and Ubuntu: apt install python3-venv."
        ) from None


def read_stamp() -> "dict[str, str]":
    """The stamp of what .venv was built from; empty if it is absent or unfinished."""
    try:
        return dict(json.loads(STAMP.read_text()))
    except (OSError, ValueError):
        return {}


def wanted_stamp() -> "dict[str, str]":
    """The stamp of what .venv should be built from."""
    content = hashlib.sha256()
    for name in INPUTS:
        content.update((PROJECT / name).read_bytes())
    return {"project": str(PROJECT), "python": sys.version, "inputs": content.hexdigest()}


def set_up() -> None:
    """Create .venv unless there is one for this checkout and Python, and bring it in line with the lock."""
    python = VENV / "bin" / "python"
    made_for = read_stamp()
    moved = any(made_for.get(key, value) != value for key, value in wanted_stamp().items() if key != "inputs")
    LOG.write_text("")
    if moved or not works(python):
        say("Creating .venv")
        run([sys.executable, "-m", "venv", "--clear", str(VENV)], "creating .venv")
    if not (VENV / "bin" / "uv").exists():
        run([str(python), "-m", "pip", "install", "--quiet", "uv==" + locked("uv")], "installing uv")
    say("Installing the packages of requirements-dev.lock" + ("" if made_for else " (about 400 MB to download, once)"))
    uv = [str(VENV / "bin" / "uv"), "--no-progress", "pip"]
    environment = dict(os.environ, VIRTUAL_ENV=str(VENV), **index_of_pip())
    environment.setdefault("UV_HTTP_TIMEOUT", "120")
    run([*uv, "sync", "requirements-dev.lock"], "installing the locked packages", environment)
    run([*uv, "install", "--no-deps", "--no-build-isolation", "-e", "."], "installing Strata itself", environment)
    STAMP.write_text(json.dumps(wanted_stamp()))


def works(python: Path) -> bool:
    """Whether the environment's Python starts and has pip, so that its creation was not interrupted."""
    try:
        return subprocess.call([str(python), "-c", "import pip"], stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def locked(package: str) -> str:
    """The version of a package in the lock."""
    lock = (PROJECT / "requirements-dev.lock").read_text()
    found = re.search(rf"^{re.escape(package)}==(\S+)", lock, re.MULTILINE)
    if not found:
        raise SetupError(f"requirements-dev.lock does not name {package}. Run `git checkout requirements-dev.lock`.")
    return found.group(1)


def run(command: "list[str]", purpose: str, environment: "dict[str, str] | None" = None) -> None:
    """Run a step with its output in the log; raise SetupError with the cure if it fails."""
    with LOG.open("a+", errors="replace") as output:
        before = output.tell()
        if subprocess.call(command, cwd=str(PROJECT), env=environment, stdout=output, stderr=output) == 0:
            return
        output.seek(before)
        written = output.read()
    cures = [cure for pattern, cure in CURES if re.search(pattern, written)]
    last = (written.strip().splitlines() or ["nothing"])[-1]
    raise SetupError(f"{purpose} failed: {cures[0] if cures else f'its last line: {last}'}. Full output: {LOG}")


def index_of_pip() -> "dict[str, str]":
    """The registry that pip is configured for, as a variable for uv, which does not read pip's configuration."""
    if "UV_DEFAULT_INDEX" in os.environ:
        return {}
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    index = os.environ.get("PIP_INDEX_URL") or asked.stdout.decode().strip()
    return {"UV_DEFAULT_INDEX": index} if index else {}


def say(line: str) -> None:
    """Print progress for the person at the terminal."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
