"""The hook on a real node: what it finds, and the sentences for what a real node refuses."""

from __future__ import annotations

import asyncio
import json

import pytest
from opensearchpy.exceptions import TransportError

from opensearch_strata.airflow.hooks.opensearch import OpenSearchHook
from opensearch_strata.errors.judging import explain, is_transient


@pytest.fixture
def hook(opensearch_url: str, monkeypatch: pytest.MonkeyPatch) -> OpenSearchHook:
    monkeypatch.setenv("AIRFLOW_CONN_NODE", json.dumps({"conn_type": "opensearch", "host": opensearch_url}))
    return OpenSearchHook("node")


def test_connection_says_what_it_found(hook: OpenSearchHook) -> None:
    works, message = hook.test_connection()
    version = hook.client.info()["version"]
    assert works
    assert message.startswith(f"{hook.settings.url} is cluster '")
    assert message.endswith(f"opensearch {version['number']}.")


def test_both_clients_see_the_same_node(hook: OpenSearchHook) -> None:
    async def ask() -> str:
        client = await hook.async_client()
        try:
            return str((await client.info())["cluster_uuid"])
        finally:
            await client.close()

    assert asyncio.run(ask()) == hook.client.info()["cluster_uuid"]


def test_missing_index_is_told_and_not_worth_another_attempt(hook: OpenSearchHook) -> None:
    with pytest.raises(TransportError) as caught:
        hook.client.count(index="flights-1999.01.01")
    assert not is_transient(caught.value)
    assert explain(caught.value) == (
        "OpenSearch answered 404: index_not_found_exception (no such index [flights-1999.01.01])."
    )


def test_script_that_does_not_compile_is_shown_with_its_line(hook: OpenSearchHook) -> None:
    source = "long n = 1;\n  return misspelt;\n// the end"
    with pytest.raises(TransportError) as caught:
        hook.client.scripts_painless_execute(body={"script": {"source": source}})
    sentence = explain(caught.value)
    assert sentence.startswith("OpenSearch answered 400: script_exception (compile error), because ")
    assert "cannot resolve symbol [misspelt]" in sentence
    assert sentence.endswith("at script line `return misspelt;`.")
