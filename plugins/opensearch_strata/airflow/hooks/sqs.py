"""SQS for new objects: an Airflow connection in, a client out that behaves like the shell's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.client import BaseClient


def sqs_client(aws_conn_id: str, queue: str) -> BaseClient:
    """Build a client for a queue from an Airflow connection of type ``aws``; its ``config_kwargs`` take precedence.

    :param queue: URL or ARN of the queue, which shows its region
    """
    from airflow.providers.amazon.aws.hooks.sqs import SqsHook

    from opensearch_strata.archive.arrivals.queue import sqs_config
    from opensearch_strata.definition.notation.queue_address import queue_address

    hook = SqsHook(aws_conn_id=aws_conn_id)
    config = sqs_config()
    if stated := hook.conn_config.botocore_config:
        config = config.merge(stated)
    region = queue_address(queue).region or hook.region_name
    client: BaseClient = hook.get_client_type(region_name=region, config=config)
    return client
