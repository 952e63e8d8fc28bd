"""Policies of Index State Management that act on a dataset: told, on the real plugin where the node has it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.history.month.index import ensure_month
from opensearch_strata.history.raw_day.policies import Policies, policies_over
from tests.faults.proxy import Answer, FaultyProxy
from tests.faults.rules import refused
from tests.streams import DAY, Stream, StreamFactory


def policy(*patterns: str, action: str = "delete") -> dict[str, Any]:
    body = {"description": "", "default_state": "only", "states": [{"name": "only", "actions": [{action: {}}]}]}
    return {**body, "policy_id": "purge", "ism_template": [{"index_patterns": list(patterns), "priority": 1}]}


@pytest.fixture
def answering(opensearch_url: str) -> Iterator[tuple[FaultyProxy, OpenSearch]]:
    with FaultyProxy(opensearch_url) as proxy, OpenSearch(proxy.url) as through:
        yield proxy, through


def answer(proxy: FaultyProxy, managed: dict[str, str], *policies: dict[str, Any]) -> None:
    """What the plugin says, as version 3.4.0 does."""
    explained = {index: {"policy_id": name, "enabled": True} for index, name in managed.items()}
    told = Answer.of_json(200, {**explained, "total_managed_indices": len(managed)})
    listed = Answer.of_json(200, {"policies": [{"_id": p["policy_id"], "policy": p} for p in policies]})
    proxy.add(lambda request, _: told if "/explain/" in request.path else listed, path="")


def test_a_policy_on_a_month_is_told(answering: tuple[FaultyProxy, OpenSearch], stream: Stream) -> None:
    proxy, through = answering
    month = stream.dataset.month_index(DAY)
    answer(proxy, {month: "purge"}, policy("other-*"))
    (sentence,) = policies_over(through, stream.dataset).dangers
    assert f"The policy 'purge' will delete {month}, the only copy of days" in sentence
    answer(proxy, {month: "one that is not listed"})
    (sentence,) = policies_over(through, stream.dataset).dangers
    assert f"will perhaps delete {month}" in sentence


def test_a_policy_on_raw_days_is_told(answering: tuple[FaultyProxy, OpenSearch], stream: Stream) -> None:
    proxy, through = answering
    days = {stream.dataset.raw_index(DAY.replace(day=n)): "purge" for n in (1, 2, 3)}
    answer(proxy, {**days, "somebody-elses": "purge"}, policy(f"{stream.dataset.name}-*"))
    acting, waiting = policies_over(through, stream.dataset).dangers
    assert "will delete" in acting
    assert "and 2 more, proven or not" in acting
    assert "takes new raw days by its pattern" in waiting
    assert "delete them, proven or not" in waiting


def test_a_policy_that_removes_nothing_is_no_matter(answering: tuple[FaultyProxy, OpenSearch], stream: Stream) -> None:
    proxy, through = answering
    month = stream.dataset.month_index(DAY)
    answer(proxy, {month: "purge"}, policy(f"{stream.dataset.name}-*", action="force_merge"))
    assert policies_over(through, stream.dataset) == Policies()


def test_who_may_not_look_is_told_so(answering: tuple[FaultyProxy, OpenSearch], stream: Stream) -> None:
    proxy, through = answering
    proxy.add(refused(403, "security_exception"), path="")
    found = policies_over(through, stream.dataset)
    assert found.dangers == []
    assert "is not known: the user may not ask" in found.unseen


def test_without_the_plugin_there_are_none(client: OpenSearch, stream: Stream) -> None:
    if any("index-management" in plugin["component"] for plugin in client.cat.plugins(format="json")):
        pytest.skip("this cluster has the Index Management plugin")
    assert policies_over(client, stream.dataset) == Policies()


@pytest.mark.index_management
def test_no_template_of_a_policy_takes_a_month(client: OpenSearch, make_stream: StreamFactory) -> None:
    """On the real plugin: a template that matches all of a dataset's names, made before its indices."""
    if not any("index-management" in plugin["component"] for plugin in client.cat.plugins(format="json")):
        pytest.skip("this cluster has no Index Management plugin; set OPENSEARCH_URL to one that has")
    stream = make_stream()
    name = f"purge-{stream.dataset.name}"
    body = {"policy": policy(f"{stream.dataset.name}-*", action="read_only")}
    del body["policy"]["policy_id"]
    body["policy"]["states"][0]["transitions"] = []
    client.plugins.index_management.put_policy(policy=name, body=body)
    try:
        raw = stream.create()
        ensure_month(client, stream.dataset, DAY)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            explained = client.plugins.index_management.explain_index(index=f"{stream.dataset.name}-*")
            if explained.get(raw, {}).get("policy_id"):
                break
            time.sleep(1)
        assert explained[raw]["policy_id"] == name
        assert not explained[stream.dataset.month_index(DAY)].get("policy_id")
        assert policies_over(client, stream.dataset) == Policies()  # read_only removes nothing
    finally:
        client.plugins.index_management.delete_policy(policy=name)
