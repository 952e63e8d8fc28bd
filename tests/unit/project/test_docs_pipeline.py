"""docs/pipeline.md says what is in the template of deploy/, and how it is deployed."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from botocore import xform_name
from botocore.session import Session
from cfnlint.decode.cfn_yaml import loads

from local.places import PROJECT

PAGE = (PROJECT / "docs" / "pipeline.md").read_text()


@cache
def template() -> Any:
    return loads((PROJECT / "deploy" / "cloudformation.yaml").read_text())


def table(head: str) -> list[list[str]]:
    """The rows of the page's table whose first column is called so."""
    found = re.search(rf"^\| {re.escape(head)} \|.*\n\|[-| ]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert found, head
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in found[1].splitlines()]


def test_the_page_has_every_parameter_with_its_default() -> None:
    rows = {name.strip("`"): default for name, _, default in table("parameter")}
    expected = {
        name: str(part.get("Default", "required")) or "empty" for name, part in template()["Parameters"].items()
    }
    assert rows == expected


def test_the_page_has_every_alarm_with_its_threshold() -> None:
    shown = {name.strip("`"): limit for name, _, limit, _ in table("alarm")}
    alarms = {
        name: part["Properties"]
        for name, part in template()["Resources"].items()
        if part["Type"] == "AWS::CloudWatch::Alarm"
    }
    assert set(shown) == set(alarms)
    for name, alarm in alarms.items():
        threshold = alarm["Threshold"]
        assert str(threshold["Ref"] if isinstance(threshold, dict) else threshold) in shown[name].replace(",", ""), name


def test_the_page_has_every_output() -> None:
    assert set(re.findall(r"`(\w+)`", " ".join(name for name, _ in table("output")))) == set(template()["Outputs"])


def command(name: str) -> str:
    """A command of the page, as one line."""
    blocks = re.findall(r"^```bash aws\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", "").splitlines()]
    found: list[str] = [line for line in lines if line.startswith(f"aws {name} ")]
    assert len(found) == 1
    return found[0]


def test_the_stack_is_created_with_the_parameters_that_it_has() -> None:
    given = set(re.findall(r" ([A-Z]\w+)=", command("cloudformation deploy")))
    demanded = {name for name, part in template()["Parameters"].items() if "Default" not in part}
    assert demanded <= given <= set(template()["Parameters"])


def test_a_further_log_group_is_subscribed_with_options_that_there_are() -> None:
    options = set(re.findall(r" --([a-z-]+)", command("logs put-subscription-filter")))
    known = Session().get_service_model("logs").operation_model("PutSubscriptionFilter").input_shape
    names = {member: xform_name(member, "-") for member in known.members}
    assert {names[member] for member in known.required_members} <= options <= set(names.values())
