"""`make lambda`: writes `build/strata-lambda.zip`, the code of the Firehose function; standard library only.

The archive holds the modules that the handler imports and nothing else. They are found by importing it in a Python that
has no other packages than the standard library, so a module that needs more stops the build. boto3 is part of AWS
Lambda's runtimes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from local.bootstrap import SetupError, check_version
from local.errors import StackError
from local.packaging.zip_files import write_zip
from local.places import PROJECT

HANDLER = "opensearch_strata.aws_lambda.firehose.handler"
"""What the function's setting "Handler" must be."""

MOST_BYTES = 1_000_000
"""Far below what AWS Lambda takes; beyond it, something is in the archive that does not belong there."""

_MODULES = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
importlib.import_module(sys.argv[2])
print(json.dumps([m.__file__ for name, m in sys.modules.items() if name.partition(".")[0] == "opensearch_strata"]))
"""


def main() -> None:
    """Write the archive and say what to do with it."""
    archive = PROJECT / "build" / "strata-lambda.zip"
    try:
        check_version()
        modules = build(archive)
    except (SetupError, StackError) as error:
        sys.exit(f"Nothing was written: {error}")
    print(f"{archive.relative_to(PROJECT)}: {modules} modules, {archive.stat().st_size:,} bytes.")
    print(f"Next: create a function with Python 3.12 or 3.13 and the handler {HANDLER}; see docs/lambda.md.")


def build(archive: Path) -> int:
    """Write the archive.

    :param archive: the file to write; its folder is created
    :returns: the number of modules in it
    :raises StackError: the handler needs a package that AWS Lambda does not have, or the archive would be too large
    """
    plugins = PROJECT / "plugins"
    command = [sys.executable, "-I", "-S", "-c", _MODULES, str(plugins), HANDLER.rpartition(".")[0]]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode:
        raise StackError(f"The handler cannot be imported with the standard library alone:\n{found.stderr}")
    modules = {Path(path).relative_to(plugins).as_posix(): Path(path) for path in json.loads(found.stdout)}
    texts = {name: PROJECT / name for name in ("LICENSE", "NOTICE")}
    archive.parent.mkdir(parents=True, exist_ok=True)
    write_zip(archive, modules | texts)
    if (size := archive.stat().st_size) >= MOST_BYTES:
        archive.unlink()
        raise StackError(f"The archive would have {size:,} bytes, more than the {MOST_BYTES:,} that it may have.")
    return len(modules)


if __name__ == "__main__":
    main()
