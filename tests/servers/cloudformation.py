"""A stack on the emulator. Its CloudFormation passes over seven of the template's types and most of a bucket; these are
made here by the calls of the API, from the properties that it resolved.

Two of AWS's own checks are made as well, because the template's order depends on them: S3 refuses notifications that
the queue's policy or key does not let it send, and CloudWatch Logs a subscription whose role may not put.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from functools import cache
from typing import Any
from unittest.mock import patch

import boto3
import yaml
from botocore.config import Config
from botocore.parsers import ResponseParserError
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel
from moto.kinesis.models import Stream
from moto.s3.models import FakeBucket

Properties = dict[str, Any]

REGION = "us-east-1"


class Account:
    """An account of the emulator.

    :param url: of the emulator
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = cache(self._client)

    def _client(self, service: str) -> Any:
        login = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": REGION}
        return boto3.client(service, endpoint_url=self.url, config=Config(retries={"total_max_attempts": 1}), **login)

    def deploy(self, name: str, template: str, **parameters: str) -> dict[str, str]:
        """Create a stack, and return its outputs.

        :raises AssertionError: if AWS would refuse a part of it
        """
        cloudformation = self.client("cloudformation")
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        with _complete(self) as refused:
            try:
                cloudformation.create_stack(
                    StackName=name, TemplateBody=template, Capabilities=["CAPABILITY_IAM"], Parameters=given
                )
            except ResponseParserError:  # the emulator answers an exception with a page
                raise refused[0] from None
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def resources(self, stack: str) -> dict[str, str]:
        """Physical names by logical names."""
        found = self.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
        return {  # those whose condition is not met are listed without a name
            resource["LogicalResourceId"]: resource["PhysicalResourceId"]
            for resource in found
            if "LogicalResourceId" in resource
        }

    def statements(self, role: str) -> list[Properties]:
        """All that the policies of a role say.

        :param role: name, or ARN
        """
        iam, name = self.client("iam"), role.rpartition("/")[2]
        policies = iam.list_role_policies(RoleName=name)["PolicyNames"]
        documents = [iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"] for policy in policies]
        return [statement for document in documents for statement in _parsed(document)["Statement"]]


@contextmanager
def without_policy(s3: Any, bucket: str) -> Iterator[None]:
    """While this lasts, the bucket has no policy: the emulator ignores conditions, and would deny everything."""
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.delete_bucket_policy(Bucket=bucket)
    yield
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)


def listed(value: Any) -> list[Any]:
    """One or several, as policies write them."""
    return value if isinstance(value, list) else [value]


def allows(statements: list[Properties], action: str, resource: str) -> bool:
    """Whether one of the statements allows an action on a resource; conditions are taken as met."""
    return any(
        statement["Effect"] == "Allow"
        and any(fnmatchcase(action, pattern) for pattern in listed(statement["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))
        for statement in statements
    )


def key_policy(account: Account, key: str) -> Properties:
    """The policy of a key."""
    return _parsed(account.client("kms").get_key_policy(KeyId=key, PolicyName="default")["Policy"])


def _parsed(document: str | Properties) -> Properties:
    """A policy; the emulator answers with Python's text of some."""
    return yaml.safe_load(document) if isinstance(document, str) else document


def _bucket(account: Account, name: str, properties: Properties) -> None:
    s3 = account.client("s3")
    (encryption,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    by_default = encryption["ServerSideEncryptionByDefault"]
    rule = {**encryption, "ApplyServerSideEncryptionByDefault": by_default}
    del rule["ServerSideEncryptionByDefault"]
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=properties["PublicAccessBlockConfiguration"])
    s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=properties["OwnershipControls"])
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=properties["VersioningConfiguration"])
    rules = [_lifecycle_rule(**rule) for rule in properties["LifecycleConfiguration"]["Rules"]]
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
    queues = properties["NotificationConfiguration"]["QueueConfigurations"]
    for queue in queues:
        _demand_that_s3_may_send(account, name, queue["Queue"])
    told = [
        {
            "QueueArn": queue["Queue"],
            "Events": [queue["Event"]],
            "Filter": {"Key": {"FilterRules": queue["Filter"]["S3Key"]["Rules"]}},
        }
        for queue in queues
    ]
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"QueueConfigurations": told})


def _kinesis_stream(account: Account, name: str, properties: Properties) -> None:
    kinesis = account.client("kinesis")
    arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails=properties["StreamModeDetails"])
    kinesis.start_stream_encryption(StreamARN=arn, **properties["StreamEncryption"])


def _lifecycle_rule(**rule: Any) -> Properties:
    """A rule as the API writes it, of one as a template writes it."""
    days = rule.pop("ExpirationInDays", None)
    expires = {} if days is None else {"Expiration": {"Days": days}}
    return {"ID": rule.pop("Id"), "Filter": {"Prefix": rule.pop("Prefix", "")}, **expires, **rule}


def _demand_that_s3_may_send(account: Account, bucket: str, queue: str) -> None:
    sqs = account.client("sqs")
    url = sqs.get_queue_url(QueueName=queue.rpartition(":")[2])["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy", "KmsMasterKeyId"])["Attributes"]
    policies = {"sqs:SendMessage": json.loads(attributes.get("Policy", '{"Statement": []}'))}
    if key := attributes.get("KmsMasterKeyId"):
        policies["kms:GenerateDataKey"] = policies["kms:Decrypt"] = key_policy(account, key)
    for action, policy in policies.items():
        of_s3 = [
            statement
            for statement in policy["Statement"]
            if statement["Principal"] == {"Service": "s3.amazonaws.com"}
            and fnmatchcase(f"arn:aws:s3:::{bucket}", statement["Condition"]["ArnEquals"]["aws:SourceArn"])
        ]
        assert allows(of_s3, action, queue), f"S3 cannot validate the destination: {action}"


def _bucket_policy(account: Account, name: str, properties: Properties) -> None:
    account.client("s3").put_bucket_policy(Bucket=properties["Bucket"], Policy=json.dumps(properties["PolicyDocument"]))


def _queue_policy(account: Account, name: str, properties: Properties) -> None:
    policy = json.dumps(properties["PolicyDocument"])
    for queue in properties["Queues"]:
        account.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})


def _log_stream(account: Account, name: str, properties: Properties) -> None:
    group, stream = properties["LogGroupName"], properties["LogStreamName"]
    account.client("logs").create_log_stream(logGroupName=group, logStreamName=stream)


def _metric_filter(account: Account, name: str, properties: Properties) -> None:
    (transformation,) = properties["MetricTransformations"]
    account.client("logs").put_metric_filter(
        logGroupName=properties["LogGroupName"],
        filterName=name,
        filterPattern=properties["FilterPattern"],
        metricTransformations=[{key[0].lower() + key[1:]: value for key, value in transformation.items()}],
    )


def _subscription(account: Account, name: str, properties: Properties) -> None:
    destination = properties["DestinationArn"]
    action = "kinesis:PutRecord" if ":kinesis:" in destination else "firehose:PutRecord"
    assert allows(account.statements(properties["RoleArn"]), action, destination), "The test message was refused."
    account.client("logs").put_subscription_filter(**{key[0].lower() + key[1:]: v for key, v in properties.items()})


def _delivery_stream(account: Account, name: str, properties: Properties) -> None:
    account.client("firehose").create_delivery_stream(**properties)


def _alarm(account: Account, name: str, properties: Properties) -> None:
    account.client("cloudwatch").put_metric_alarm(AlarmName=name, **properties)


Make = Callable[[Account, str, Properties], None]

COMPLETED: dict[Any, Make] = {FakeBucket: _bucket, Stream: _kinesis_stream}
"""What the emulator's CloudFormation makes with some of its properties: how the others are set."""

TYPES: dict[str, tuple[Make, str]] = {
    "AWS::S3::BucketPolicy": (_bucket_policy, ""),
    "AWS::SQS::QueuePolicy": (_queue_policy, ""),
    "AWS::Logs::LogStream": (_log_stream, "LogStreamName"),
    "AWS::Logs::MetricFilter": (_metric_filter, "FilterName"),
    "AWS::Logs::SubscriptionFilter": (_subscription, "FilterName"),
    "AWS::KinesisFirehose::DeliveryStream": (_delivery_stream, "DeliveryStreamName"),
    "AWS::CloudWatch::Alarm": (_alarm, "AlarmName"),
}
"""What the emulator's CloudFormation passes over: how it is made, and the property with its name."""

_account: Account | None = None
_refused: list[AssertionError] = []


class _Made:
    """A resource of such a type, as other resources refer to it."""

    def __init__(self, name: str, arn: str) -> None:
        self.physical_resource_id = name
        self._arn = arn

    def get_cfn_attribute(self, attribute: str) -> str:
        assert attribute == "Arn"
        return self._arn

    def is_created(self) -> bool:
        return True


def _model(kind: str) -> type[CloudFormationModel]:
    """The emulator finds the subclasses of its base class by itself."""
    make, name_property = TYPES[kind]

    def create(
        cls: type,
        /,
        resource_name: str,
        cloudformation_json: Properties,
        account_id: str,
        region_name: str,
        **kwargs: Any,
    ) -> _Made:
        assert _account
        with _noting_refusals():
            make(_account, resource_name, cloudformation_json["Properties"])
        return _Made(resource_name, f"arn:aws:firehose:{region_name}:{account_id}:deliverystream/{resource_name}")

    methods = {
        "cloudformation_type": staticmethod(lambda: kind),
        "cloudformation_name_type": staticmethod(lambda: name_property),
        "create_from_cloudformation_json": classmethod(create),
        "has_cfn_attr": classmethod(lambda cls, attribute: attribute == "Arn"),
    }
    return type(kind, (CloudFormationModel,), methods)


MODELS = [_model(kind) for kind in TYPES]
for cached in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
    cached.cache_clear()


@contextmanager
def _noting_refusals() -> Iterator[None]:
    try:
        yield
    except AssertionError as refusal:
        _refused.append(refusal)
        raise


@contextmanager
def _complete(account: Account) -> Iterator[list[AssertionError]]:
    global _account
    resolve = parsing.clean_json

    def resolved(value: Any, resources: parsing.ResourceMap) -> Any:
        found = resolve(value, resources)  # which leaves AWS::NoValue in lists
        return [entry for entry in found if entry is not None] if isinstance(found, list) else found

    _account = account
    _refused.clear()
    with ExitStack() as patches:
        patches.enter_context(patch.object(parsing, "clean_json", resolved))
        for model, complete in COMPLETED.items():
            completed = _completed(model.create_from_cloudformation_json, complete)
            patches.enter_context(patch.object(model, "create_from_cloudformation_json", completed))
        yield _refused


def _completed(plain: Callable[..., Any], complete: Make) -> Callable[..., Any]:
    def create(resource_name: str, cloudformation_json: Properties, *place: Any, **kwargs: Any) -> Any:
        made = plain(resource_name, cloudformation_json, *place, **kwargs)
        assert _account
        with _noting_refusals():
            complete(_account, resource_name, cloudformation_json["Properties"])
        return made

    return create
