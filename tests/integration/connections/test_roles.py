"""The roles and the policy that the documents give are enough, on a node with the security plugin; read from the page.

That nothing of them can be left out was tried by hand, one permission at a time; it takes several minutes.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from opensearchpy import OpenSearch

from local.places import server_folder
from local.server.maven import NotInRegistryError
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.archive.redrive import dead_letters_of
from opensearch_strata.archive.store.objects import build_s3
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.dashboards.stored_scripts import merged_rows
from opensearch_strata.errors import Refused
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.workflows.backfill.backfill import Backfill
from tests.archives import Archive, held, intake_of, same
from tests.servers.secured import SecuredNode, User, secured_node
from tests.shell import Shell
from tests.streams import DAY, TYPES, Document, Stream, dataset_of, measurements
from tests.unit.project.test_docs import blocks

pytestmark = pytest.mark.long

NEXT, LAST = DAY + timedelta(days=1), DAY + timedelta(days=2)
OWNER = "test/roles"

(ROLES,) = (yaml.safe_load(text) for text in blocks("yaml", "roles"))
(POLICY,) = (json.loads(text) for text in blocks("json", "policy"))
OF_OPERATION = {
    "ListObjectsV2": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
}
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html"""


@pytest.fixture(scope="module")
def node() -> Iterator[SecuredNode]:
    folder = Path(tempfile.mkdtemp(prefix="secured-", dir=server_folder()))
    folder.chmod(0o755)
    try:
        with secured_node(folder) as started:
            yield started
    except NotInRegistryError as missing:
        pytest.skip(f"The Maven registry has no security plugin: {missing}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def admin(node: SecuredNode) -> Iterator[OpenSearch]:
    with build_client(ClientSettings.from_url(node.url)) as connection:
        yield connection


@pytest.fixture
def user(node: SecuredNode) -> Iterator[User]:
    """Somebody who may nothing yet."""
    made = User(node, "strata")
    yield made
    made.close()


@pytest.fixture
def sensors(admin: OpenSearch, archive: Archive) -> Iterator[Stream]:
    """The dataset of the page; none of its indices is there."""
    intake = intake_of(archive.bucket, max_dead_share=1)
    yield Stream(admin, dataset_of("sensors", intake=intake, raw={"fields": TYPES, "window_days": 2}))
    admin.indices.delete(index="sensors-*,strata-ledger", params={"ignore_unavailable": "true"})


@pytest.fixture
def calls(aws: None) -> Iterator[tuple[Any, list[tuple[str, str]]]]:
    """A client of S3 as the shell builds it, and what it asks for: action and resource, as policies write them."""
    asked: list[tuple[str, str]] = []

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        resource = f"arn:aws:s3:::{params['Bucket']}"
        asked.append((OF_OPERATION[model.name], f"{resource}/{params['Key']}" if "Key" in params else resource))

    s3 = build_s3()
    s3.meta.events.register("before-parameter-build.s3", note)
    yield s3, asked
    s3.close()


def shell_of(user: User, sensors: Stream, folder: Path) -> Shell:
    """``strata`` as the user, who knows the dataset."""
    (folder / "sensors.yaml").write_text(yaml.safe_dump(sensors.dataset.model_dump(mode="json")), "utf-8")
    return Shell(user.url, lambda **_: sensors, folder)


def allowed(action: str, resource: str, statement: dict[str, Any]) -> bool:
    """Whether a statement of the policy on the page is about this."""
    return action in statement["Action"] and fnmatchcase(resource, statement["Resource"])


def loaded(s3: Any, client: OpenSearch, sensors: Stream) -> Any:
    """A backfill, as its tasks do it; returns plan and proof."""
    dataset = sensors.dataset
    backfill = Backfill(client, dataset, lambda: s3)
    plan = backfill.plan(None, DAY, LAST)
    ref = backfill.write(plan)
    backfill.prepare(ref, OWNER)
    for number in range(ref.batches):
        backfill.load(ref, number, OWNER, settings=LoadSettings()).require_success()
    assert backfill.end(OWNER) == [dataset.raw_index(LAST)]
    proof = backfill.prove(ref)
    backfill.forget(ref)
    return plan, proof


def with_a_word(archive: Archive) -> list[Document]:
    """An object in which one document is refused by the mapping."""
    documents = measurements(DAY, 40)
    documents[5]["temperature"] = "warm"
    archive.put(documents)
    return documents


def test_a_backfill_needs_no_more_than_its_role_and_policy(
    user: User, sensors: Stream, archive: Archive, calls: tuple[Any, list[tuple[str, str]]]
) -> None:
    user.may(ROLES["strata_backfill"])
    s3, asked = calls
    sent = with_a_word(archive)
    archive.fill(NEXT, count=60)
    with build_client(ClientSettings.from_url(user.url)) as client:
        plan, proof = loaded(s3, client, sensors)
        assert plan.estimate.free_bytes is not None
        assert proof.holds
        assert (proof.counts.created, proof.counts.dead) == (99, 1)
        assert not sensors.blocks()

        field = {"type": "double", "ignore_malformed": True}
        mended = {"properties": {"temperature": field}}
        sensors.client.indices.put_mapping(index=sensors.dataset.raw_index(DAY), body=mended)
        url = dead_letters_of(sensors.dataset)
        assert (
            Backfill(client, sensors.dataset, lambda: s3).redrive(url, apply=True, settings=LoadSettings()).loaded == 1
        )
        assert same(held(sensors, DAY), sent)

        sensors.client.indices.delete(index=sensors.dataset.raw_index(NEXT))
        counts = loaded(s3, client, sensors)[1].counts
        # The 60 that are created again, and what the object with the letter came to when it was loaded.
        assert (counts.created, counts.existed, counts.dead) == (99, 0, 1)

    text = json.dumps(POLICY).replace("my-archive/sensors/", f"{archive.bucket}/firehose/")
    statements = json.loads(text.replace("my-archive", archive.bucket))["Statement"]
    assert {action for action, _ in asked} == {"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"}
    for action, resource in asked:
        assert any(allowed(action, resource, statement) for statement in statements), (action, resource)


def test_a_ledger_that_must_not_be_read_is_refused_at_once(user: User, sensors: Stream) -> None:
    role = ROLES["strata_backfill"]
    kept = [{**one, "allowed_actions": ["indices:admin/*"]} for one in role["index_permissions"]]
    user.may({**role, "index_permissions": kept})
    Ledger(sensors.client, "sensors").ensure()
    with (
        build_client(ClientSettings.from_url(user.url)) as client,
        pytest.raises(Refused, match="cannot be read: no p"),
    ):
        Ledger(client, "sensors").rows([Place("bucket", "key", "version")])


def test_the_daily_cycle_needs_no_more_than_its_role(user: User, sensors: Stream, tmp_path: Path) -> None:
    user.may(ROLES["strata_cycle"])
    days = [DAY - timedelta(days=back) for back in range(4)]
    for day in days:
        sensors.fill(day, count=60)
    shell = shell_of(user, sensors, tmp_path)
    shell.run(f"condense sensors {days[3]}")
    sensors.fill(days[3], count=20, seed=1)
    shell.run(f"verify sensors {days[3]} --repair")
    shell.run(f"cycle sensors {DAY} --apply")
    assert not sensors.exists(days[3])
    shell.run(f"reaggregate sensors --from {days[1]} --to {DAY}")
    one_device = {"query": {"term": {"device": "d0"}}}
    index = sensors.dataset.raw_index(DAY)
    sensors.client.delete_by_query(index=index, body=one_device, params={"refresh": "true"})
    shell.run(f"condense sensors {DAY} --allow-poorer")
    shell.run(f"verify sensors {DAY}", exit_code=1)  # levels of the rows before are still there
    shell.run(f"levels sensors --from {DAY} --to {DAY} --apply")
    shell.run(f"verify sensors {DAY}")
    shell.run("status sensors")


def test_both_roles_do_for_days_that_are_condensed_and_dropped(
    user: User, sensors: Stream, archive: Archive, aws: None, tmp_path: Path
) -> None:
    both = [ROLES["strata_cycle"], ROLES["strata_backfill"]]
    kinds = ("cluster_permissions", "index_permissions")
    user.may({kind: [permission for role in both for permission in role[kind]] for kind in kinds})
    archive.fill(DAY)
    shell = shell_of(user, sensors, tmp_path)
    shell.run(f"backfill sensors --from {DAY} --to {DAY} --apply --then condense_and_drop")
    assert not sensors.exists()
    assert sum(row["transform._doc_count"] for row in sensors.rows().values()) == 240


def test_months_are_rewritten_and_imported_by_two_roles(
    user: User, sensors: Stream, bucket: str, aws: None, tmp_path: Path
) -> None:
    kinds = ("cluster_permissions", "index_permissions")
    roles = [ROLES["strata_cycle"], ROLES["strata_history"]]
    user.may({kind: [permission for role in roles for permission in role.get(kind, [])] for kind in kinds})
    archive = {"bucket": bucket, "before_delete": False}
    dataset = dataset_of("sensors", archive=archive, raw={"fields": TYPES, "window_days": 2})
    plant = Stream(sensors.client, dataset)
    plant.condensed()
    month = dataset.month_index(DAY)
    sensors.client.indices.put_alias(index=month, name="sensors-alias")
    before = plant.rows()
    shell, span = shell_of(user, plant, tmp_path), f"--from {DAY} --to {DAY}"
    shell.run(f"verify sensors {DAY}")
    shell.run("history rewrite sensors 2024-05 --apply")
    assert plant.rows() == before
    shell.run(f"history export sensors {span}")
    sensors.client.indices.delete(index=month)
    shell.run(f"history import sensors {span} --apply")
    assert plant.rows() == before


def test_a_reader_needs_no_more_than_its_role(user: User, sensors: Stream, tmp_path: Path) -> None:
    user.may(ROLES["strata_reader"])
    sensors.condensed()
    prove(sensors.client, sensors.dataset, DAY, engine="search")
    sensors.fill(NEXT)
    shell = shell_of(user, sensors, tmp_path)
    shell.run(f"query sensors --from {DAY} --to {NEXT} --metric load --stat sum")
    assert "answered 403" in shell.run(f"condense sensors {DAY}", 1).stderr


def test_scripts_of_charts_are_stored_by_their_role_and_run_by_readers(
    user: User, sensors: Stream, tmp_path: Path
) -> None:
    sensors.condensed()
    shell = shell_of(user, sensors, tmp_path)
    user.may(ROLES["strata_reader"])
    assert "answered 403" in shell.run("dashboards sensors --apply", 1).stderr
    user.may(ROLES["strata_dashboards"])
    shell.run("dashboards sensors --apply")
    user.may(ROLES["strata_reader"])
    body = {"size": 0, "aggs": {"merged": merged_rows(sensors.dataset, "temperature", [0.5])}}
    with build_client(ClientSettings.from_url(user.url)) as client:
        answer = client.search(index=sensors.dataset.month_index(DAY), body=body)
    assert answer["aggregations"]["merged"]["value"]["count"] > 0


def test_a_day_of_which_security_hides_documents_is_refused(user: User, sensors: Stream) -> None:
    """Both sides would look alike: what hides documents from the proof hid them from condensing."""
    sensors.fill(count=60)
    (cycle,) = (role for name, role in ROLES.items() if name == "strata_cycle")
    raw = {**cycle["index_permissions"][0], "dls": json.dumps({"term": {"device": "d1"}})}
    user.may({**cycle, "index_permissions": [raw, *cycle["index_permissions"][1:]]})
    hidden = sum(document["device"] != "d1" for document in measurements(count=60))
    told = rf"{sensors.dataset.raw_index(DAY)} holds {hidden} documents more than this user sees \({60 - hidden}\)"
    with build_client(ClientSettings.from_url(user.url)) as client:
        with pytest.raises(Refused, match=told):
            condense(client, sensors.dataset, DAY, engine="search")
        assert not sensors.rows()
        sensors.condense()
        with pytest.raises(Refused, match=told):
            prove(client, sensors.dataset, DAY)
    assert prove(sensors.client, sensors.dataset, DAY).state == "verified"
