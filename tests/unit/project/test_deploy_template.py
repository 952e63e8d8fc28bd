"""The template of deploy/ is what CloudFormation takes; tests/integration/pipeline/ deploys it."""

from __future__ import annotations

from functools import cache
from typing import Any

from cfnlint.api import lint
from cfnlint.decode.cfn_yaml import loads

from local.places import PROJECT

TEMPLATE = (PROJECT / "deploy" / "cloudformation.yaml").read_text()


@cache
def template() -> Any:
    return loads(TEMPLATE)


def test_cfn_lint_has_nothing_to_say() -> None:
    assert [f"{match.linenumber}: {match.message}" for match in lint(TEMPLATE)] == []


def test_cfn_lint_knows_what_a_queue_has() -> None:
    (match,) = lint("Resources: {Arrivals: {Type: AWS::SQS::Queue, Properties: {Visibility: 30}}}")
    assert "Visibility" in match.message


def test_what_is_archived_outlives_the_stack_and_can_still_be_read() -> None:
    kept = {name for name, part in template()["Resources"].items() if part.get("DeletionPolicy") == "Retain"}
    assert kept == {"Key", "Bucket"}
    assert all(template()["Resources"][name]["UpdateReplacePolicy"] == "Retain" for name in kept)


def test_only_the_queue_of_the_stack_gives_up_into_its_queue_of_dead_messages() -> None:
    queues = {
        name: part["Properties"] for name, part in template()["Resources"].items() if "SQS::Queue" in part["Type"]
    }
    allowed = queues["DeadArrivals"]["RedriveAllowPolicy"]
    assert allowed["redrivePermission"] == "byQueue"
    name = queues["Arrivals"]["QueueName"]["Fn::Sub"]
    (source,) = allowed["sourceQueueArns"]
    assert source["Fn::Sub"].endswith(f":{name}")


def test_logs_are_encrypted_and_expire() -> None:
    groups = [part["Properties"] for part in template()["Resources"].values() if part["Type"] == "AWS::Logs::LogGroup"]
    assert len(groups) == 2
    for group in groups:
        assert group["KmsKeyId"] == {"Fn::GetAtt": ["Key", "Arn"]}
        assert group["RetentionInDays"] == {"Ref": "LogDays"}
