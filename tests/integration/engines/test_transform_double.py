"""The double of the transform API answers as the real Index Management 3.4.0.0 was recorded to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opensearchpy import OpenSearch, TransportError

from local.places import PROJECT
from tests.transform_api import TransformApi, composite, definition, runs
from tests.transform_api.replay import Replay

RECORDINGS = PROJECT / "tests" / "recordings" / "transform-api"
ORIGINALS = PROJECT.parent / "shared" / "data" / "transform-api"
NAMES = sorted(path.stem for path in RECORDINGS.glob("*.json"))
HOUR = 3_600_000
FIRST_HOUR = 1_735_689_600_000
SOURCE = {
    "device": {"type": "keyword"},
    "at": {"type": "date"},
    "v": {"type": "double"},
    "t": {"type": "text"},
}
TARGET = {
    **{"device": {"type": "keyword"}, "hour": {"type": "date"}},
    **{"n": {"type": "long"}, "v_max": {"type": "double"}},
}
INDICES = ["tele-raw", "tele-empty", "tele-hist", "tele-strict", "tele-new"]


@pytest.fixture(scope="module")
def sources(opensearch_url: str) -> Iterator[OpenSearch]:
    """The real node, with the indices that the recordings were made of: 36 documents in 9 buckets."""
    client = OpenSearch(opensearch_url)
    client.indices.delete(index=INDICES, ignore_unavailable=True)
    create_index(client, "tele-raw", {"properties": SOURCE})
    create_index(client, "tele-empty", {"properties": SOURCE})
    create_index(client, "tele-strict", {"dynamic": "strict"})
    lines: list[dict[str, Any]] = []
    for number in range(36):
        document: dict[str, Any] = {"at": FIRST_HOUR + number % 3 * HOUR, "t": "text"}
        device = (None, "a", "b")[number // 12]
        document |= {"device": device} if device else {}
        document |= {"v": 1.5} if device != "b" else {}
        lines += [{"index": {}}, document]
    client.bulk(body=lines, index="tele-raw", refresh=True)
    yield client
    client.indices.delete(index=INDICES, ignore_unavailable=True)
    client.close()


@pytest.fixture
def node(sources: OpenSearch) -> OpenSearch:
    """The real node, with an empty target."""
    sources.indices.delete(index=["tele-hist", "tele-new"], ignore_unavailable=True)
    create_index(sources, "tele-hist", {"properties": TARGET})
    return sources


@pytest.fixture
def api(node: OpenSearch, opensearch_url: str) -> Iterator[TransformApi]:
    """The double, slow enough for each recorded state to be seen, with one job in its past."""
    with TransformApi(opensearch_url, minute=2.5, refresh_interval=0.6) as double:
        double.faults.page_delay = 0.2
        before = Replay(double.url, {"exchanges": []})
        assert before.send("PUT", "/_plugins/_transform/before", job(start_in=60))[0] == 201
        assert before.send("DELETE", "/_plugins/_transform/before?force=true")[0] == 200
        yield double


@pytest.fixture
def caller(api: TransformApi) -> Iterator[OpenSearch]:
    """A client of the double whose jobs run without pauses."""
    api.faults.page_delay = 0.0
    connection = OpenSearch(api.url, http_compress=True)
    yield connection
    connection.close()


def create_index(client: OpenSearch, index: str, mapping: dict[str, Any]) -> None:
    """Create an index with one shard, as the recordings show."""
    settings = {"number_of_shards": 1, "number_of_replicas": 0}
    client.indices.create(index=index, body={"settings": settings, "mappings": mapping})


def recording(name: str) -> dict[str, Any]:
    """Read one recording."""
    return dict(json.loads((RECORDINGS / f"{name}.json").read_text()))


def job(target: str = "tele-hist", page_size: int = 100, start_in: float = 0.05) -> dict[str, Any]:
    """The definition that was recorded, with other values where asked for; `start_in` seconds."""
    body = recording("success")["exchanges"][3]["request"]["body"]["transform"]
    start_time = int((time.time() + start_in) * 1000)
    schedule = {"interval": {"period": 1, "unit": "Minutes", "start_time": start_time}}
    return {"transform": {**body, "target_index": target, "page_size": page_size, "schedule": schedule}}


def metadata_when(client: OpenSearch, job_id: str, reached: Callable[[Any, bool], bool]) -> dict[str, Any]:
    """Poll until metadata and `enabled` are as wanted, and return the metadata."""
    deadline = time.monotonic() + 10
    metadata = None
    while time.monotonic() < deadline:
        metadata = client.plugins.transforms.explain(id=job_id)[job_id]["transform_metadata"]
        if reached(metadata, client.plugins.transforms.get(id=job_id)["transform"]["enabled"]):
            return dict(metadata or {})
        time.sleep(0.01)
    pytest.fail(f"{job_id} did not get there; the last metadata was {metadata}")


def ended(metadata: Any, enabled: bool) -> bool:
    """The job's run is over and the job disabled."""
    return bool(metadata) and metadata["status"] in ("finished", "failed") and not enabled


def rows(node: OpenSearch, index: str = "tele-hist") -> dict[str, Any]:
    """Every row of the target by `_id`."""
    node.indices.refresh(index=index)
    return {hit["_id"]: hit["_source"] for hit in node.search(index=index, size=100)["hits"]["hits"]}


@pytest.mark.parametrize("name", NAMES)
def test_answers_as_recorded(name: str, api: TransformApi) -> None:
    assert Replay(api.url, recording(name)).run() == []


@pytest.mark.parametrize(
    ("name", "module", "constant", "broken", "place"),
    [
        ("success", composite, "ID_SEED", 1, "._id:"),
        ("success", composite, "NULL_KEY", "null", "hits[0]._id:"),
        ("not-started", definition, "SCHEMA_VERSION", 25, "schema_version:"),
        ("failures", runs, "SEARCH_FAILED", "Failed", "failure_reason:"),
        ("absent-metric", composite, "WITHOUT_VALUES", {"max": None}, "states"),
        (
            "rejected",
            definition,
            "SUPPORTED_AGGREGATIONS",
            {"cardinality", "max", "scripted_metric"},
            "status",
        ),
    ],
)
def test_replay_sees_a_broken_double(
    name: str, module: Any, constant: str, broken: Any, place: str, api: TransformApi, monkeypatch: Any
) -> None:
    monkeypatch.setattr(module, constant, broken)
    monkeypatch.setattr("tests.transform_api.replay.PATIENCE_SECONDS", 3)
    assert [found for found in Replay(api.url, recording(name)).run() if place in found]


@pytest.mark.parametrize("name", NAMES)
def test_recording_is_the_original(name: str) -> None:
    if not ORIGINALS.is_dir():
        pytest.skip("the folder of the original recordings is not beside the project")
    assert (RECORDINGS / f"{name}.json").read_bytes() == (ORIGINALS / f"{name}.json").read_bytes()


def test_before_the_first_job(node: OpenSearch, opensearch_url: str) -> None:
    with TransformApi(opensearch_url) as double:
        send = Replay(double.url, {"exchanges": []}).send
        status, answer = send("GET", "/_plugins/_transform/none")
        assert (status, answer["error"]["type"]) == (404, "index_not_found_exception")
        status, answer = send("DELETE", "/_plugins/_transform/none")
        assert status == 400
        assert "Cluster missing system index .opendistro-ism-config" in answer["error"]["reason"]
        explained = send("GET", "/_plugins/_transform/none/_explain")
        assert explained == (200, {"none": "Failed to search transform metadata"})


def test_forwards_the_rest_unchanged(node: OpenSearch, caller: OpenSearch) -> None:
    query = {"index": "tele-raw", "body": {"sort": "at", "query": {"match_all": {}}}, "size": 36}
    assert caller.search(**query)["hits"] == node.search(**query)["hits"]
    assert caller.indices.exists(index="tele-raw")
    assert not caller.indices.exists(index="tele-new")
    with pytest.raises(TransportError) as refused:
        caller.search(index="tele-raw", body={"query": {"no": {}}})
    assert refused.value.status_code == 400


def test_cat_plugins_names_index_management(node: OpenSearch, caller: OpenSearch) -> None:
    added = "opensearch-index-management"
    installed = {row["component"] for row in node.cat.plugins(format="json")}
    assert {row["component"] for row in caller.cat.plugins(format="json")} == {*installed, added}
    lines = [line.split() for line in caller.cat.plugins(h="component,version").splitlines()]
    assert [added, f"{node.info()['version']['number']}.0"] in lines


def test_creates_a_missing_target(node: OpenSearch, caller: OpenSearch) -> None:
    caller.plugins.transforms.put(id="new", body=job(target="tele-new"))
    metadata_when(caller, "new", ended)
    created = node.indices.get_mapping(index="tele-new")["tele-new"]["mappings"]
    assert created["properties"]["hour"] == {"type": "long"}
    assert created["properties"]["device"] == {"type": "keyword"}
    assert len(rows(node, "tele-new")) == 9


def test_failed_run_resumes_after_its_pages(node: OpenSearch, api: TransformApi, caller: OpenSearch) -> None:
    api.faults.fail_runs(reason="Failed to search data in source indices", after_pages=1)
    caller.plugins.transforms.put(id="resumed", body=job(page_size=4))
    failed = metadata_when(caller, "resumed", ended)
    assert (failed["status"], failed["stats"]["pages_processed"], len(rows(node))) == ("failed", 1, 4)
    assert failed["after_key"] == {"device": "a", "hour": FIRST_HOUR}
    caller.plugins.transforms.start(id="resumed")
    finished = metadata_when(caller, "resumed", lambda m, enabled: m["status"] == "finished" and not enabled)
    stats = finished["stats"]
    assert (stats["pages_processed"], stats["documents_processed"], stats["documents_indexed"]) == (4, 36, 9)
    assert len(rows(node)) == 9


def test_hung_run_stands_still(api: TransformApi, caller: OpenSearch) -> None:
    api.faults.hang_run()
    caller.plugins.transforms.put(id="hung", body=job())
    first = metadata_when(caller, "hung", lambda m, _: m and m["status"] == "started")
    time.sleep(3)  # past the next tick
    assert metadata_when(caller, "hung", lambda m, enabled: enabled) == first
    assert (
        caller.plugins.transforms.delete(id="hung", params={"force": "true"})["items"][0]["delete"]["result"]
        == "deleted"
    )


def test_job_is_never_picked_up(api: TransformApi, caller: OpenSearch) -> None:
    api.faults.pick_up_jobs = False
    caller.plugins.transforms.put(id="unseen", body=job())
    time.sleep(0.5)
    assert caller.plugins.transforms.explain(id="unseen") == {
        "unseen": {"metadata_id": None, "transform_metadata": None}
    }


def test_stop_ends_a_run(node: OpenSearch, api: TransformApi, caller: OpenSearch) -> None:
    api.faults.page_delay = 0.3
    caller.plugins.transforms.put(id="stopped", body=job(page_size=2))
    metadata_when(caller, "stopped", lambda m, _: bool(m))
    caller.plugins.transforms.stop(id="stopped")
    stopped = metadata_when(caller, "stopped", lambda m, enabled: m["status"] == "stopped" and not enabled)
    time.sleep(0.8)
    assert caller.plugins.transforms.explain(id="stopped")["stopped"]["transform_metadata"] == stopped
    assert len(rows(node)) == 2  # the page that was under way


@pytest.mark.parametrize(("switch", "count"), [("lose_row", 8), ("double_row", 10)])
def test_wrong_rows_are_counted_as_right(
    switch: str, count: int, node: OpenSearch, api: TransformApi, caller: OpenSearch
) -> None:
    getattr(api.faults, switch)()
    caller.plugins.transforms.put(id="wrong", body=job())
    assert metadata_when(caller, "wrong", ended)["stats"]["documents_indexed"] == 9
    assert len(rows(node)) == count


def test_finished_is_visible_before_disabled(api: TransformApi, caller: OpenSearch) -> None:
    api.faults.disable_delay = 0.5
    caller.plugins.transforms.put(id="late", body=job())
    metadata_when(caller, "late", lambda m, enabled: bool(m) and m["status"] == "finished" and enabled)
    metadata_when(caller, "late", ended)


def test_explain_returns_ten_jobs(api: TransformApi, caller: OpenSearch) -> None:
    api.faults.pick_up_jobs = False
    ids = [f"many-{number}" for number in range(10)]
    for job_id in [*ids, "many"]:
        caller.plugins.transforms.put(id=job_id, body=job())
    explained = caller.plugins.transforms.explain(id="many")
    assert explained.pop("many") is None  # it is there, but pushed out by those whose ids contain its own
    assert sorted(explained) == ids


@pytest.mark.parametrize("status", [429, 503])
def test_refuses_as_often_as_asked(status: int, api: TransformApi) -> None:
    send = Replay(api.url, {"exchanges": []}).send
    api.faults.refuse(2, status, path="/_search")
    assert send("GET", "/")[0] == 200
    assert [send("GET", "/tele-raw/_search")[0] for _ in range(3)] == [status, status, 200]


def test_answers_late_when_asked(api: TransformApi, caller: OpenSearch) -> None:
    api.faults.latency = 0.2
    begin = time.monotonic()
    caller.info()
    assert time.monotonic() - begin >= 0.2
