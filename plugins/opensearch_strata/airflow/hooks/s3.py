"""S3 for the archives: an Airflow connection in, a client out that behaves like the shell's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.client import BaseClient


def s3_client(aws_conn_id: str, connections: int = 10, request_payer: str | None = None) -> BaseClient:
    """Build a client from an Airflow connection of type ``aws``; its ``config_kwargs`` take precedence over ours.

    :param connections: how many connections are kept open; as many as there are threads
    :param request_payer: ``requester``, see :func:`opensearch_strata.archive.store.objects.let_pay`
    """
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    from opensearch_strata.archive.store.objects import is_aws, let_pay, s3_config

    hook = S3Hook(aws_conn_id=aws_conn_id)
    endpoint = hook.conn_config.get_service_endpoint_url("s3")
    config = s3_config(connections, path_style=endpoint is not None and not is_aws(endpoint))
    if stated := hook.conn_config.botocore_config:
        config = config.merge(stated)
    client: BaseClient = hook.get_client_type(region_name=hook.region_name, config=config)
    return let_pay(client, request_payer)
