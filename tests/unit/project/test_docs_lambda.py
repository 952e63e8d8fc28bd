"""The page about the Firehose function agrees with the function and with what AWS takes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from botocore import xform_name
from botocore.session import Session

from local.packaging.lambda_zip import HANDLER
from local.places import PROJECT
from opensearch_strata.aws_lambda import answer, deadline, parts, resend, transform
from opensearch_strata.aws_lambda.batch import Report
from opensearch_strata.aws_lambda.settings import _READ, PARTITION_KEYS, read_settings
from tests.envelopes import envelope
from tests.transformations import data_message, invocation, zipped
from tests.transformations import transform as transformed

PAGE = (PROJECT / "docs" / "lambda.md").read_text()
COMMANDS = [
    line.strip()
    for block in re.findall(r"^ *```bash aws\n(.*?)^ *```", PAGE, re.MULTILINE | re.DOTALL)
    for line in re.sub(r"\\\n\s+", "", block).strip().splitlines()
]


def fenced(info: str) -> Any:
    found = re.search(rf"^ *```json {info}\n(.*?)^ *```", PAGE, re.MULTILINE | re.DOTALL)
    assert found, info
    return json.loads(found[1])


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.split()[1:3]))
def test_aws_takes_every_option(command: str) -> None:
    _, service, operation, *_ = command.split()
    model = Session().get_service_model(service)
    name = next(name for name in model.operation_names if xform_name(name, "-") == operation)
    known = {xform_name(member, "-") for member in model.operation_model(name).input_shape.members}
    assert set(re.findall(r" --([a-z0-9-]+)", command)) <= known | {"zip-file"}  # the shell's own, for Code


def test_the_commands_are_those_of_the_steps() -> None:
    assert [command.split()[2] for command in COMMANDS] == ["create-function", "update-destination"]
    assert f"--handler {HANDLER} " in COMMANDS[0]


def test_firehose_takes_the_processing_configuration() -> None:
    model = Session().get_service_model("firehose")
    shape = model.operation_model("UpdateDestination").input_shape.members["ExtendedS3DestinationUpdate"]
    stated = fenced("processing")
    assert set(stated) <= set(shape.members)
    (processor,) = stated["ProcessingConfiguration"]["Processors"]
    shapes = shape.members["ProcessingConfiguration"].members["Processors"].member.members
    assert processor["Type"] in shapes["Type"].enum
    names = shapes["Parameters"].member.members["ParameterName"].enum
    assert {parameter["ParameterName"] for parameter in processor["Parameters"]} <= set(names)


def test_the_role_may_do_what_is_called_and_nothing_else() -> None:
    allowed = [statement["Action"] for statement in fenced("role")["Statement"]]
    assert allowed == [["logs:CreateLogStream", "logs:PutLogEvents"], "firehose:PutRecordBatch"]
    assert "`kinesis:PutRecords`" in section("Permissions")


def test_every_setting_is_described_with_an_example_that_is_valid() -> None:
    rows = dict(re.findall(r"^\| `(STRATA_[A-Z_]+)` \|.*\| `(.*)` \|$", section("Settings"), re.MULTILINE))
    assert list(rows) == list(_READ)
    for name, example in rows.items():
        read_settings({name: example})
    assert all(f"`{key}`" in section("Settings") for key in PARTITION_KEYS)


def test_the_limits_are_those_of_the_code() -> None:
    text = " ".join(section("What becomes of a record").split())
    assert f"{answer.MOST_BYTES:,} bytes" in text
    assert f"{answer.MOST_LINES / 1e6:.1f} MB" in text
    assert f"{transform._LIMITS.bytes / 2**20:.0f} MiB" in text
    assert f"no more than {parts._PART_BYTES / 1e6:.0f} MB of lines" in text
    assert f"at most {resend.MOST_RECORDS} records and {resend.MOST_REQUEST_BYTES / 2**20:.0f} MiB" in text
    assert f"grow up to {resend._LONGEST_PAUSE:.0f} s" in text
    assert f"the last {deadline.RESERVE_MS / 1000:.0f} s, or a quarter" in text
    assert f"more than {deadline.LONGEST / 60:.0f} minutes" in text


def test_the_line_that_is_printed_has_the_fields_that_are_shown() -> None:
    (shown,) = re.findall(r"^    (\{\"invocationId.*\})$", section("What it prints"), re.MULTILINE)
    told = json.loads(shown)
    assert list(told) == ["invocationId", "source", *Report(0).as_dict(), "milliseconds"]
    assert told["ok"] + told["dropped"] + told["resent"] + told["failed"] == told["records"]
    broken = zipped(envelope(["x"]))[:20]
    _, report = transformed(invocation([broken, data_message(["x"])]))
    assert report.problems[0]["problem"] == told["problems"][0]["problem"]
