"""The guide to deploying agrees with what it speaks of."""

from __future__ import annotations

import re

from botocore import xform_name
from botocore.session import Session

from local.packaging import mwaa
from local.places import PROJECT

PAGE = (PROJECT / "docs" / "deploy.md").read_text()


def block(info: str) -> str:
    found = re.search(rf"^```{info}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found, info
    return found[1].replace("\\\n", "")


def test_the_service_takes_every_option_of_the_update() -> None:
    line = next(line for line in block("bash aws").splitlines() if "update-environment" in line)
    known = Session().get_service_model("mwaa").operation_model("UpdateEnvironment").input_shape.members
    options = re.findall(r"--([a-z0-9-]+)", line)
    assert len(options) == 5
    assert set(options) <= {xform_name(name, "-") for name in known}


def test_the_image_is_made_of_what_is_there_for_the_airflow_that_is_tested() -> None:
    image = block("dockerfile")
    sources = re.findall(r"^COPY (\S+)", image, re.MULTILINE)
    assert sources
    for source in sources:
        assert source.startswith("build/mwaa/") or (PROJECT / source).exists(), source
    assert re.findall(r"^FROM (\S+)", image) == [f"apache/airflow:{mwaa.AIRFLOW}-python{mwaa.PYTHON}"]
    assert f'"apache-airflow=={mwaa.AIRFLOW}"' in image


def test_every_address_of_constraints_is_the_one_that_is_tested() -> None:
    addresses = re.findall(r"https://raw\.\S+\.txt", PAGE)
    assert set(addresses) == {mwaa.CONSTRAINTS}
