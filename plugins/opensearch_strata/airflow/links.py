"""Links from a task to the indices and the job that it works on, shown on the task's Details tab."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from datetime import date

    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.types import TaskInstanceKey

    from opensearch_strata.definition.dataset import Dataset


class _StoredLink(BaseOperatorLink):
    """A URL that a task pushes before it begins to work.

    It is pushed under the key from which Airflow's UI reads it. Airflow itself fills that key only when a task has
    ended, which is too late to look at a job that the task waits for.
    """

    @classmethod
    def persist(cls, context: Context, url: str) -> None:
        """Show this URL for the task instance from now on; if it is empty, show no link."""
        context["ti"].xcom_push(key=cls().xcom_key, value=url)

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the URL, empty if there is none to show."""
        from airflow.sdk.execution_time.xcom import XCom

        return str(XCom.get_value(key=self.xcom_key, ti_key=ti_key) or "")


class RawIndexLink(_StoredLink):
    """Link to the raw day."""

    name = "Raw index"


class MonthIndexLink(_StoredLink):
    """Link to the history month."""

    name = "History month"


class RawDaysLink(_StoredLink):
    """Link to all raw days of the dataset, with their sizes."""

    name = "Raw days"


class DayPageLink(_StoredLink):
    """Link to the page of the day in Airflow's UI."""

    name = "Day"


class ArchiveLink(_StoredLink):
    """Link to the manifest of an archived day, in the console of AWS."""

    name = "Archive"


class TransformJobLink(_StoredLink):
    """Link to the transform job, as long as it exists."""

    name = "Transform job"


def link_indices(context: Context, opensearch_url: str, dataset: Dataset, day: date) -> None:
    """Store the links to a raw day, its month and its page before the work begins."""
    link_day(context, dataset, day)
    RawIndexLink.persist(context, _index_url(opensearch_url, dataset.raw_index(day)))
    MonthIndexLink.persist(context, _index_url(opensearch_url, dataset.month_index(day)))


def link_day(context: Context, dataset: Dataset, day: date) -> None:
    """Store the link to the page of a day."""
    from airflow.sdk.configuration import conf

    base = str(conf.get("api", "base_url", fallback="")).rstrip("/")
    DayPageLink.persist(context, f"{base}/strata/datasets/{dataset.name}/days/{day}")


def link_archive(context: Context, manifest: str) -> None:
    """Store the link to an archive.

    :param manifest: ``s3://bucket/key`` of its manifest
    """
    bucket, _, key = manifest.removeprefix("s3://").partition("/")
    ArchiveLink.persist(context, f"https://console.aws.amazon.com/s3/object/{bucket}?prefix={quote(key)}")


def link_raw_days(context: Context, opensearch_url: str, dataset: Dataset) -> None:
    """Store the link to all raw days: to Dashboards if ``STRATA_DASHBOARDS_URL`` is set, otherwise to the API."""
    if dashboards := _dashboards():
        url = f"{dashboards}/app/opensearch_index_management_dashboards#/indices?search={dataset.name}"
    else:
        url = f"{opensearch_url}/_cat/indices/{dataset.raw.names.expression}?v&s=index"
    RawDaysLink.persist(context, url)


def transform_url(opensearch_url: str, transform_id: str) -> str:
    """Return the page of a transform job: in Dashboards if ``STRATA_DASHBOARDS_URL`` is set, otherwise in the API."""
    if dashboards := _dashboards():
        return f"{dashboards}/app/opensearch_index_management_dashboards#/transform-details?id={transform_id}"
    return f"{opensearch_url}/_plugins/_transform/{transform_id}/_explain?pretty"


def _index_url(opensearch_url: str, index: str) -> str:
    """Return the page of an index, likewise."""
    if dashboards := _dashboards():
        return f"{dashboards}/app/opensearch_index_management_dashboards#/index-detail/{index}"
    return f"{opensearch_url}/{index}?pretty"


def _dashboards() -> str:
    return os.environ.get("STRATA_DASHBOARDS_URL", "").rstrip("/")
