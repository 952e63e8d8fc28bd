"""What deploy/cloudformation.yaml makes, read back from the emulator."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import yaml

from opensearch_strata.archive.store.keys import Layout, arrival_of, reason_apart
from opensearch_strata.aws_lambda.settings import read_settings
from opensearch_strata.definition.loading.intake import Intake
from tests.deployed import GROUP, TEMPLATE, Stack
from tests.servers.cloudformation import Account, key_policy, listed, without_policy


@pytest.fixture(scope="module")
def account(s3_url: str) -> Account:
    return Account(s3_url)


@pytest.fixture(scope="module")
def stack(account: Account) -> Stack:
    """With the defaults."""
    return Stack(account, AlarmTopicArn="arn:aws:sns:us-east-1:123456789012:people")


@pytest.fixture(scope="module")
def with_kinesis(account: Account) -> Stack:
    other = {
        "ArchiveDays": "400",
        "SilenceHours": "0",
        "Versioning": "Suspended",
        "TransformRename": "time=Time,pid=PID",
    }
    return Stack(account, ThroughKinesis="true", **other)


def test_the_queue_gives_up_into_a_queue_that_keeps_longer(stack: Stack) -> None:
    queue, dead = stack.queue("Arrivals"), stack.queue("DeadArrivals")
    assert json.loads(queue["RedrivePolicy"]) == {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": 10}
    # The age of a message counts from its first queue.
    assert int(dead["MessageRetentionPeriod"]) > int(queue["MessageRetentionPeriod"]) == 7 * 86_400
    assert int(queue["VisibilityTimeout"]) == 300
    assert int(queue["ReceiveMessageWaitTimeSeconds"]) == 20


def test_everything_at_rest_is_encrypted_with_the_key_of_the_stack(stack: Stack, with_kinesis: Stack) -> None:
    key = f"arn:aws:kms:us-east-1:123456789012:key/{stack.resources['Key']}"
    assert {stack.queue(name)["KmsMasterKeyId"] for name in ("Arrivals", "DeadArrivals")} == {key}
    s3 = stack.account.client("s3")
    (rule,) = s3.get_bucket_encryption(Bucket=stack.bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["BucketKeyEnabled"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    assert stack.stream()["DeliveryStreamEncryptionConfiguration"]["KeyARN"] == key
    to = stack.stream()["Destinations"][0]["ExtendedS3DestinationDescription"]
    assert to["EncryptionConfiguration"]["KMSEncryptionConfig"]["AWSKMSKeyARN"] == key
    kinesis = with_kinesis.account.client("kinesis").describe_stream_summary(StreamName=with_kinesis.name)
    assert kinesis["StreamDescriptionSummary"]["EncryptionType"] == "KMS"
    assert kinesis["StreamDescriptionSummary"]["KeyId"].endswith(with_kinesis.resources["Key"])
    assert stack.account.client("kms").get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]


def test_services_use_the_key_for_this_stack_alone(stack: Stack) -> None:
    statements = key_policy(stack.account, stack.resources["Key"])["Statement"]
    of_services = {statement["Principal"]["Service"]: statement for statement in statements[1:]}
    assert set(of_services) == {"s3.amazonaws.com", "logs.us-east-1.amazonaws.com"}
    assert of_services["s3.amazonaws.com"]["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{stack.bucket}"},
    }
    (pattern,) = of_services["logs.us-east-1.amazonaws.com"]["Condition"]["ArnLike"].values()
    assert pattern == f"arn:aws:logs:us-east-1:123456789012:log-group:/strata/{stack.name}/*"


def test_only_the_bucket_may_send_and_only_over_tls(stack: Stack) -> None:
    allowed, denied = json.loads(stack.queue("Arrivals")["Policy"])["Statement"]
    assert (allowed["Effect"], allowed["Action"]) == ("Allow", "sqs:SendMessage")
    assert allowed["Principal"] == {"Service": "s3.amazonaws.com"}
    assert allowed["Condition"]["ArnEquals"] == {"aws:SourceArn": f"arn:aws:s3:::{stack.bucket}"}
    assert allowed["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    policy = json.loads(stack.account.client("s3").get_bucket_policy(Bucket=stack.bucket)["Policy"])
    (dead,) = json.loads(stack.queue("DeadArrivals")["Policy"])["Statement"]
    for statement in (denied, dead, *policy["Statement"]):
        assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
        assert statement["Action"] in ("s3:*", "sqs:*")
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_nothing_in_the_bucket_is_public(stack: Stack) -> None:
    s3 = stack.account.client("s3")
    block = s3.get_public_access_block(Bucket=stack.bucket)["PublicAccessBlockConfiguration"]
    assert len(block) == 4
    assert all(block.values())
    (rule,) = s3.get_bucket_ownership_controls(Bucket=stack.bucket)["OwnershipControls"]["Rules"]
    assert rule == {"ObjectOwnership": "BucketOwnerEnforced"}


def test_what_is_kept_is_a_matter_of_parameters(stack: Stack, with_kinesis: Stack) -> None:
    s3 = stack.account.client("s3")

    def days(of: Stack) -> dict[str, int]:
        rules = s3.get_bucket_lifecycle_configuration(Bucket=of.bucket)["Rules"]
        return {rule["Filter"]["Prefix"]: rule["Expiration"]["Days"] for rule in rules if "Expiration" in rule}

    assert days(stack) == {"firehose-errors/": 90}
    assert days(with_kinesis) == {"firehose-errors/": 90, "orders/": 400}
    assert s3.get_bucket_versioning(Bucket=stack.bucket)["Status"] == "Enabled"
    assert s3.get_bucket_versioning(Bucket=with_kinesis.bucket)["Status"] == "Suspended"
    groups = stack.account.client("logs").describe_log_groups(logGroupNamePrefix=f"/strata/{stack.name}/")["logGroups"]
    assert [(group["logGroupName"].rpartition("/")[2], group["retentionInDays"]) for group in groups] == [
        ("delivery", 30),
        ("transform", 30),
    ]


def test_notifications_tell_of_the_archive_and_of_nothing_else(stack: Stack) -> None:
    assert [body["Event"] for body in stack.bodies()] == ["s3:TestEvent"]
    s3 = stack.account.client("s3")
    with without_policy(s3, stack.bucket):
        for key in ("orders/2026/11/29/07/o-1", "firehose-errors/orders/processing-failed/e", "dead-letters/orders/d"):
            s3.put_object(Bucket=stack.bucket, Key=key, Body=b"x")
    (body,) = stack.bodies()
    (record,) = body["Records"]
    assert record["s3"]["object"]["key"] == "orders%2F2026%2F11%2F29%2F07%2Fo-1"


def test_aws_refuses_notifications_before_the_policy_of_the_queue(account: Account) -> None:
    """As it would refuse this template if the bucket did not wait for the policy."""
    stack = object.__new__(Stack)
    stack.account, stack.name = account, f"t{uuid4().hex[:10]}"
    stack.bucket, stack.group = f"{stack.name}-archive", f"{GROUP}-{stack.name}"
    hasty = TEMPLATE.replace("    DependsOn: ArrivalsPolicy\n", "", 1)
    assert hasty != TEMPLATE
    with pytest.raises(AssertionError, match="cannot validate the destination: sqs:SendMessage"):
        account.deploy(stack.name, hasty, **stack.demanded())


def test_keys_are_laid_out_as_a_dataset_expects(stack: Stack) -> None:
    to = stack.stream()["Destinations"][0]["ExtendedS3DestinationDescription"]
    layout = re.sub(r"!\{timestamp:yyyy/MM/dd/HH\}", "2026/11/29/07", to["Prefix"])
    arrival = arrival_of(Layout(Intake().layout or ""), layout.removeprefix("orders/") + "x")
    hour = datetime(2026, 11, 29, 7, tzinfo=UTC)
    assert arrival
    assert (arrival.start, arrival.end) == tuple(
        int(moment.timestamp()) * 1000 for moment in (hour, hour + timedelta(hours=1))
    )
    errors = to["ErrorOutputPrefix"].replace("!{firehose:error-output-type}", "processing-failed")
    assert reason_apart(errors + "x", 1) == "errors"
    assert stack.outputs["Errors"] == f"s3://{stack.bucket}/" + errors.partition("!")[0]


def test_firehose_hands_to_the_function_what_its_answer_can_hold(stack: Stack) -> None:
    to = stack.stream()["Destinations"][0]["ExtendedS3DestinationDescription"]
    assert to["CompressionFormat"] == "GZIP"
    assert to["BufferingHints"] == {"SizeInMBs": 64, "IntervalInSeconds": 60}
    assert to["ProcessingConfiguration"]["Enabled"]
    (processor,) = to["ProcessingConfiguration"]["Processors"]
    invocation = {one["ParameterName"]: one["ParameterValue"] for one in processor["Parameters"]}
    function = stack.account.client("lambda").get_function(FunctionName=stack.resources["Transform"])["Configuration"]
    assert invocation == {
        "LambdaArn": f"{function['FunctionArn']}:$LATEST",
        "RoleArn": to["RoleARN"],
        "BufferSizeInMBs": "0.5",
        "BufferIntervalInSeconds": "60",
        "NumberOfRetries": "3",
    }
    assert (function["MemorySize"], function["Timeout"]) == (512, 120)
    assert function["Handler"] == "opensearch_strata.aws_lambda.firehose.handler"


def test_the_function_gets_other_names_if_there_are_any(stack: Stack, with_kinesis: Stack) -> None:
    def variables(of: Stack) -> Any:
        function = of.account.client("lambda").get_function(FunctionName=of.resources["Transform"])["Configuration"]
        return function.get("Environment", {}).get("Variables", {})

    assert variables(stack) == {}
    assert read_settings(variables(with_kinesis)).rename == {"time": "Time", "pid": "PID"}


def test_the_log_group_is_subscribed(stack: Stack, with_kinesis: Stack) -> None:
    for deployed in (stack, with_kinesis):
        logs = deployed.account.client("logs")
        (filter,) = logs.describe_subscription_filters(logGroupName=deployed.group)["subscriptionFilters"]
        assert filter["destinationArn"] == deployed.outputs["DestinationArn"]
        assert filter["roleArn"] == deployed.outputs["SubscriptionRoleArn"]
        assert filter["filterPattern"] == ""
    assert stack.outputs["DestinationArn"] == stack.stream()["DeliveryStreamARN"]
    source = with_kinesis.stream()["Source"]["KinesisStreamSourceDescription"]
    assert with_kinesis.outputs["DestinationArn"] == source["KinesisStreamARN"]


TO_S3 = {
    "s3:AbortMultipartUpload", "s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket", "s3:ListBucketMultipartUploads",
    "s3:PutObject", "kms:Decrypt", "kms:GenerateDataKey", "lambda:InvokeFunction", "lambda:GetFunctionConfiguration",
    "logs:PutLogEvents",
}  # fmt: skip
FROM_KINESIS = {"kinesis:DescribeStream", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"}
TO_LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}


def test_every_role_may_do_its_part_and_no_more(stack: Stack, with_kinesis: Stack) -> None:
    assert stack.actions("SubscriptionRole") == {"firehose:PutRecord", "firehose:PutRecordBatch"}
    assert stack.actions("DeliveryRole") == TO_S3
    assert stack.actions("TransformRole") == {*TO_LOG, "firehose:PutRecordBatch"}
    to_kinesis = {"kinesis:PutRecord", "kinesis:PutRecords", "kms:GenerateDataKey"}
    assert with_kinesis.actions("SubscriptionRole") == to_kinesis
    assert with_kinesis.actions("DeliveryRole") == TO_S3 | FROM_KINESIS
    assert with_kinesis.actions("TransformRole") == {*TO_LOG, "kinesis:PutRecords", "kms:GenerateDataKey"}


def test_no_policy_speaks_of_anything_outside_of_the_stack(stack: Stack, with_kinesis: Stack) -> None:
    for deployed in (stack, with_kinesis):
        iam = deployed.account.client("iam")
        version = {"PolicyArn": deployed.outputs["LoaderPolicyArn"], "VersionId": "v1"}
        statements = iam.get_policy_version(**version)["PolicyVersion"]["Document"]["Statement"]
        for role in ("SubscriptionRole", "DeliveryRole", "TransformRole"):
            statements = [*statements, *deployed.account.statements(deployed.resources[role])]
        for statement in statements:
            assert statement["Effect"] == "Allow"
            assert not [action for action in listed(statement["Action"]) if "*" in action]
            for resource in listed(statement["Resource"]):
                assert deployed.name in resource or resource.endswith(deployed.resources["Key"]), resource


def test_roles_are_assumed_by_one_service_for_this_account(stack: Stack) -> None:
    iam = stack.account.client("iam")
    trusts = {}
    for role in ("SubscriptionRole", "DeliveryRole", "TransformRole"):
        found = iam.get_role(RoleName=stack.resources[role])["Role"]["AssumeRolePolicyDocument"]
        (statement,) = found["Statement"]
        trusts[statement["Principal"]["Service"]] = statement.get("Condition")
    assert trusts == {
        "logs.amazonaws.com": {"ArnLike": {"aws:SourceArn": "arn:aws:logs:us-east-1:123456789012:*"}},
        "firehose.amazonaws.com": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
        "lambda.amazonaws.com": None,
    }


def test_the_loader_reads_the_archive_and_its_queue_and_writes_dead_letters(stack: Stack) -> None:
    policy = {"PolicyArn": stack.outputs["LoaderPolicyArn"], "VersionId": "v1"}
    document = stack.account.client("iam").get_policy_version(**policy)["PolicyVersion"]["Document"]
    resources: dict[str, set[str]] = {}
    for statement in document["Statement"]:
        for action in listed(statement["Action"]):
            names = {resource.rpartition(":")[2] for resource in listed(statement["Resource"])}
            resources[action] = resources.get(action, set()) | names
    dead_letters = f"{stack.bucket}/dead-letters/orders/*"
    queue = f"{stack.name}-arrivals"
    assert resources == {
        "s3:ListBucket": {stack.bucket},
        "s3:GetObject": {f"{stack.bucket}/orders/*", f"{stack.bucket}/firehose-errors/orders/*", dead_letters},
        "s3:PutObject": {dead_letters},
        "s3:DeleteObject": {dead_letters},
        "sqs:ReceiveMessage": {queue},
        "sqs:DeleteMessage": {queue},
        "sqs:ChangeMessageVisibility": {queue},
        "sqs:GetQueueAttributes": {queue, f"{queue}-dead"},
        "sqs:GetQueueUrl": {queue, f"{queue}-dead"},
        "kms:Decrypt": {f"key/{stack.resources['Key']}"},
        "kms:GenerateDataKey": {f"key/{stack.resources['Key']}"},
    }


def alarms_of(stack: Stack) -> dict[str, Any]:
    """By logical name."""
    found = stack.account.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{stack.name}-")["MetricAlarms"]
    return {alarm["AlarmName"].split("-")[1]: alarm for alarm in found}


def test_every_stage_has_its_alarm(stack: Stack, with_kinesis: Stack) -> None:
    alarms = alarms_of(stack)
    metrics = {name: alarm.get("MetricName") or alarm["Metrics"][0]["Expression"] for name, alarm in alarms.items()}
    query = f"FROM \"AWS/Logs\" WHERE LogGroupName = '{stack.group}'"
    assert metrics == {
        "NotForwarded": f"SELECT SUM(DeliveryErrors) {query}",
        "ForwardingThrottled": f"SELECT SUM(DeliveryThrottling) {query}",
        "TransformErrors": "Errors",
        "TransformThrottled": "Throttles",
        "TransformSlow": "Duration",
        "RecordsFailed": "RecordsFailed",
        "NotDelivered": "DeliveryToS3.Success",
        "DeliveryLate": "DeliveryToS3.DataFreshness",
        "Silence": "DeliveryToS3.Records",
        "QueueOld": "ApproximateAgeOfOldestMessage",
        "DeadMessages": "ApproximateNumberOfMessagesVisible",
    }
    dimensions = {one["Value"] for alarm in alarms.values() for one in alarm.get("Dimensions", [])}
    queue = f"{stack.name}-arrivals"
    assert dimensions == {stack.name, stack.resources["Transform"], queue, f"{queue}-dead"}
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == ["arn:aws:sns:us-east-1:123456789012:people"]
    assert set(alarms_of(with_kinesis)) == {*alarms, "BehindKinesis"} - {"Silence"}
    assert not any(alarm["AlarmActions"] for alarm in alarms_of(with_kinesis).values())


def test_silence_is_an_alarm_and_so_is_slowness(stack: Stack) -> None:
    alarms = alarms_of(stack)
    silence = alarms["Silence"]
    assert (silence["Period"], silence["EvaluationPeriods"]) == (3600, 6)
    assert (silence["Threshold"], silence["TreatMissingData"]) == (1, "breaching")
    function = stack.account.client("lambda").get_function(FunctionName=stack.resources["Transform"])["Configuration"]
    assert alarms["TransformSlow"]["Threshold"] == function["Timeout"] * 1000 * 3 / 4
    buffer = stack.stream()["Destinations"][0]["ExtendedS3DestinationDescription"]["BufferingHints"]
    assert alarms["DeliveryLate"]["Threshold"] == 900 > buffer["IntervalInSeconds"]
    assert alarms["QueueOld"]["Threshold"] == 900 > 2 * int(stack.queue("Arrivals")["VisibilityTimeout"])


def test_records_that_failed_are_counted_from_the_log_of_the_function(stack: Stack) -> None:
    group = f"/strata/{stack.name}/transform"
    (filter,) = stack.account.client("logs").describe_metric_filters(logGroupName=group)["metricFilters"]
    alarm = alarms_of(stack)["RecordsFailed"]
    (counted,) = filter["metricTransformations"]
    assert (counted["metricNamespace"], counted["metricName"]) == (alarm["Namespace"], alarm["MetricName"])
    assert (filter["filterPattern"], counted["metricValue"]) == ("{ $.failed > 0 }", "$.failed")


def test_the_intake_that_it_prints_is_valid(stack: Stack) -> None:
    printed = yaml.safe_load(stack.outputs["Intake"])["intake"]
    intake = Intake.model_validate(printed)
    assert intake.model_dump(mode="json", include=set(printed)) == printed
