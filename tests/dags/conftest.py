"""DAGs run in-process: a fresh DagBag for each run, because params leak between two runs of one DAG object."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from local.airflow.database import empty_database
from local.places import PROJECT
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.condense.engines import transform_job
from opensearch_strata.history.condense.engines.job_state import Patience
from tests.dags.archives import Archive
from tests.servers.airflow_home import HOME
from tests.servers.smtp import MailServer
from tests.servers.sns import Topic
from tests.streams import DAY, StreamFactory
from tests.transform_api import TransformApi


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """The metadata database of the tests' Airflow."""
    shutil.copy(empty_database(), HOME / "airflow.db")


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An include folder with the real scripts and no datasets."""
    (tmp_path / "datasets").mkdir()
    monkeypatch.setenv("STRATA_INCLUDE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def define(include: Path) -> Callable[[Dataset], None]:
    """Write a dataset's file."""

    def write(dataset: Dataset) -> None:
        text = yaml.safe_dump(json.loads(dataset.model_dump_json(exclude_none=True)))
        (include / "datasets" / f"{dataset.name}.yaml").write_text(text)

    return write


@pytest.fixture
def connection(opensearch_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Point ``opensearch_default`` somewhere; at the shared node to begin with."""

    def point_at(url: str) -> None:
        parts = urlsplit(url)
        fields = {"conn_type": "opensearch", "host": parts.hostname, "port": parts.port, "extra": {"use_ssl": False}}
        monkeypatch.setenv("AIRFLOW_CONN_OPENSEARCH_DEFAULT", json.dumps(fields))

    point_at(opensearch_url)
    return point_at


@pytest.fixture
def api(
    opensearch_url: str, connection: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[TransformApi]:
    """The connection leads to a node with the transform API, whose minutes are short and whose jobs start soon."""
    monkeypatch.setattr(transform_job, "Patience", partial(Patience, poll=0.1))
    monkeypatch.setattr(transform_job, "_START_DELAY_MS", 200)
    with TransformApi(opensearch_url, minute=0.5) as api:
        connection(api.url)
        yield api


class Run:
    """A finished DAG run.

    :param state: of the run
    :param tasks: task id, with ``[n]`` when mapped -> state
    """

    def __init__(self, dag_run: Any) -> None:
        instances = {f"{ti.task_id}[{ti.map_index}]" if ti.map_index >= 0 else ti.task_id: ti
                     for ti in dag_run.get_task_instances()}  # fmt: skip
        self.state = str(dag_run.state)
        self.tasks = {task: str(ti.state) for task, ti in instances.items()}
        self._instances = instances

    def result(self, task: str, key: str = "return_value") -> Any:
        """What a task returned, or left under another key."""
        from airflow.models.xcom import XComModel

        ti = self._instances[task]
        rows = XComModel.get_many(
            run_id=ti.run_id, dag_ids=ti.dag_id, task_ids=ti.task_id, map_indexes=ti.map_index, key=key
        )
        from airflow.utils.session import create_session

        with create_session() as session:
            found: Any = session.execute(rows).scalars().first()
        return found.value

    def label(self, task: str) -> str:
        """What the grid calls a mapped task."""
        return str(self._instances[task].rendered_map_index)

    def tries(self, task: str) -> int:
        """How often a task was tried."""
        return int(self._instances[task].try_number)


RunDag = Callable[..., Run]

AT_ONCE = timedelta(seconds=0.1)
"""Retry delay: dag.test() really waits."""


def load_bag(file: str = "") -> Any:
    """A fresh DagBag of the project's dags folder or of one file in it."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(PROJECT / "dags" / file, bundle_name="tests", bundle_path=PROJECT / "dags")


def run_in_process(file: str, dag_id: str, change: Callable[[Any], None], conf: dict[str, Any]) -> Run:
    """Run a DAG of one file of the dags folder, whose operators ``change`` may adjust before."""
    from airflow.dag_processing.dagbag import sync_bag_to_db
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    with create_session() as session:
        if session.get(DagBundleModel, "tests") is None:
            session.add(DagBundleModel(name="tests"))
    bag = load_bag(file)
    assert not bag.import_errors
    sync_bag_to_db(bag, "tests", None)
    dag = bag.dags[dag_id]
    for task in dag.tasks:
        if task.is_mapped:
            task.partial_kwargs["retry_delay"] = AT_ONCE
        else:
            task.retry_delay = AT_ONCE
    change(dag)
    return Run(dag.test(run_conf=conf, logical_date=None))


@pytest.fixture
def run_dag(airflow_database: None, connection: Callable[[str], None]) -> RunDag:
    """Run the daily cycle of a dataset in-process, with the given params.

    ``change`` may adjust the operators of the DAG before it runs.
    """

    def run(dataset: Dataset, change: Callable[[Any], None] = lambda _: None, **conf: Any) -> Run:
        return run_in_process("daily_cycle.py", f"{dataset.name}_daily_cycle", change, conf)

    return run


@pytest.fixture
def aws_connection(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point ``aws_default`` at the S3 of the tests."""
    extra = {"endpoint_url": s3_url, "region_name": "us-east-1"}
    fields = {"conn_type": "aws", "login": "testing", "password": "testing", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(fields))


@pytest.fixture
def run_backfill(airflow_database: None, connection: Callable[[str], None], aws_connection: None) -> RunDag:
    """Run ``archive_backfill`` in-process for a dataset, with the given params, likewise."""

    def run(dataset: Dataset, change: Callable[[Any], None] = lambda _: None, /, **conf: Any) -> Run:
        return run_in_process("archive_backfill.py", "archive_backfill", change, {"dataset": dataset.name, **conf})

    return run


@pytest.fixture
def archive(make_stream: StreamFactory, define: Callable[[Dataset], None], s3: Any, bucket: str) -> Archive:
    """A dataset with two days in S3 and none in OpenSearch."""
    intake = {"source": f"s3://{bucket}/logs/", "parser": "json"}
    stream = make_stream(raw={"window_days": 2}, intake=intake, engine="search")
    define(stream.dataset)
    archive = Archive(stream, s3, bucket)
    archive.fill(DAY)
    archive.fill(DAY + timedelta(days=1))
    return archive


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """A mail server, and Airflow's connection ``mail`` to it."""
    with MailServer() as server:
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "strata@example.com"}
        fields = {"conn_type": "smtp", "host": "127.0.0.1", "port": server.port, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_MAIL", json.dumps(fields))
        yield server


@pytest.fixture
def topic(s3_url: str, sqs: Any, aws_connection: None) -> Iterator[Topic]:
    """A topic that receives alarms."""
    topic = Topic(s3_url, sqs)
    yield topic
    topic.delete()


@pytest.fixture
def notify(mail: MailServer, topic: Topic) -> dict[str, Any]:
    """``cycle.notify`` that tells of proofs by mail, and of everything by SNS."""
    by_mail = {"notifier": "smtp", "connection": "mail", "arguments": {"to": "night@example.com"}}
    by_sns = {"notifier": "sns", "arguments": {"target_arn": topic.arn}}
    return {"to": [{**by_mail, "about": ["proof"]}, by_sns]}
