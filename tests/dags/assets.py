"""Assets of datasets as the tests' Airflow knows them, and their events."""

from __future__ import annotations

from typing import Any

from opensearch_strata.definition.dataset import Dataset
from tests.dags.conftest import load_bag


def know_assets() -> None:
    """Let Airflow read the daily cycles, which make the assets of their datasets known."""
    from airflow.dag_processing.dagbag import sync_bag_to_db
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    with create_session() as session:
        if session.get(DagBundleModel, "tests") is None:
            session.add(DagBundleModel(name="tests"))
    sync_bag_to_db(load_bag("daily_cycle.py"), "tests", None)


def events(dataset: Dataset, kind: str) -> dict[str, dict[str, Any]]:
    """Partition key -> extra, of all events of one of a dataset's assets."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    wanted = select(AssetEvent).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
    with create_session() as session:
        found = session.scalars(wanted.where(AssetModel.uri == f"strata://{dataset.name}/{kind}")).all()
        return {str(event.partition_key): event.extra for event in found}
