"""`make mwaa`: writes the files for managed Airflow (MWAA) to `build/mwaa/` for `aws s3 sync`; standard library only.

The service delivers DAGs, `plugins.zip` (unpacked into its plugins folder), `requirements.txt` and a startup script,
and nothing else. Strata needs no startup script: its datasets are in `dags/include/`, one of the places where Strata
looks for them. Sources: docs.aws.amazon.com/mwaa/latest/userguide (configuring-dag-import-plugins,
best-practices-dependencies) and the image of Airflow 3.3.1 at github.com/aws/amazon-mwaa-docker-images.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from local.bootstrap import SetupError, check_version
from local.errors import StackError
from local.packaging.zip_files import write_zip
from local.places import PROJECT, include_folder

AIRFLOW = "3.3.1"
PYTHON = "3.12"
"""The versions in the service that the files are made for."""

CONSTRAINTS = f"https://raw.githubusercontent.com/apache/airflow/constraints-{AIRFLOW}/constraints-{PYTHON}.txt"
"""Published with each release of Airflow. A pin that contradicts them prevents every package from being installed."""

FORM = "apache-airflow-providers-opensearch>=1.12"
"""Provides the form for OpenSearch connections: an unpacked `plugins.zip`, unlike a wheel, cannot register our own."""

LEFT_OUT = {"__pycache__", "opensearch_strata.egg-info"}


def main() -> None:
    """Write the files and print how to upload them."""
    folder = PROJECT / "build" / "mwaa"
    try:
        check_version()
        datasets = lay_out(folder, include_folder() / "datasets")
    except (SetupError, StackError) as error:
        sys.exit(f"Nothing was written: {error}")
    here = folder.relative_to(PROJECT)
    print(f"{here}/ is for Airflow {AIRFLOW} with Python {PYTHON}, with {', '.join(datasets)}.")
    print(f"Next: aws s3 sync {here} s3://BUCKET/, then set up the environment as docs/deploy.md describes.")


def lay_out(folder: Path, datasets: Path) -> list[str]:
    """Write all files from scratch.

    :param folder: target for `plugins.zip`, `requirements.txt` and `dags/`; its previous content is removed
    :param datasets: folder of the dataset files to include
    :returns: the names of these files
    :raises StackError: there is no dataset file; nothing was written
    """
    files = sorted(datasets.glob("*.yaml"))
    if not files:
        raise StackError(
            f"{datasets} contains no dataset file (*.yaml), so there is nothing to run. Write one, or name the folder "
            "above it in STRATA_INCLUDE_DIR."
        )
    shutil.rmtree(folder, ignore_errors=True)
    target = folder / "dags" / "include" / "datasets"
    target.mkdir(parents=True)
    for path in files:
        shutil.copyfile(path, target / path.name)
    for path in sorted((PROJECT / "dags").glob("*.py")):
        shutil.copyfile(path, folder / "dags" / path.name)
    (folder / "requirements.txt").write_text(requirements(), "utf-8")
    plugins = PROJECT / "plugins"
    packed = {path.relative_to(plugins): path for path in plugins.rglob("*") if path.is_file()}
    write_zip(
        folder / "plugins.zip",
        {name.as_posix(): path for name, path in packed.items() if not LEFT_OUT.intersection(name.parts)},
    )
    return [path.name for path in files]


def requirements() -> str:
    """Text of requirements.txt: the package's requirements as ranges, without Airflow, which must not change there."""
    import tomllib  # here, so that an older Python gets as far as the message about the one that is needed

    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["airflow"], *extras["parquet"], FORM]
    lines = [line for line in needed if not re.match(r"apache-airflow\b(?!-)", line)]
    return "\n".join([f'--constraint "{CONSTRAINTS}"', *sorted(lines)]) + "\n"


if __name__ == "__main__":
    main()
