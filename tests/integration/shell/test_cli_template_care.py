"""``strata template`` breaks neither what producers send nor what somebody else set for their days."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from opensearch_strata.archive.targets.templates.day_template import template_name
from opensearch_strata.errors import Refused
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.workflows.cycle import require_proven
from tests.shell import Shell
from tests.streams import DAY, Stream, assert_verified

LIMIT = 32_766 // 3


@pytest.fixture
def stream(shell: Shell) -> Iterator[Stream]:
    made = shell.stream()
    yield made
    transport, name = made.client.transport, made.dataset.name
    for kind, one in (("index", template_name(made.dataset)), ("index", f"other-{name}")):
        transport.perform_request("DELETE", f"/_{kind}_template/{one}", params={"ignore": [404]})
    transport.perform_request("DELETE", f"/_template/legacy-{name}", params={"ignore": [404]})


def put(stream: Stream, kind: str, name: str, body: dict[str, Any]) -> None:
    stream.client.transport.perform_request("PUT", f"/{kind}/{name}", body=body)


def ours(stream: Stream) -> dict[str, Any]:
    answer = stream.client.transport.perform_request("GET", f"/_index_template/{template_name(stream.dataset)}")
    body: dict[str, Any] = answer["index_templates"][0]["index_template"]
    return body


def document(device: str, temperature: float, **fields: Any) -> dict[str, Any]:
    return {"@timestamp": f"{DAY}T08:00:00Z", "device": device, "temperature": temperature, **fields}


def test_no_document_is_refused_and_one_that_rows_cannot_carry_holds_its_day(shell: Shell, stream: Stream) -> None:
    shell.run(f"template {stream.dataset.name} --replicas 0 --apply --url {shell.url}")
    index = stream.dataset.raw_index(DAY)
    # The longest keyword that the server takes, and a whole number before one that is none.
    for one in (document("€" * LIMIT, 21, archive=True), document("a", 21.9, archive=False)):
        stream.client.index(index=index, body=one, params={"refresh": "true"})
    stream.condense()
    assert_verified(stream)
    assert sum(row["metrics"]["temperature"]["sum"] for row in stream.rows().values()) == pytest.approx(42.9)
    # Its keyword has more bytes than the server takes.
    stream.client.index(index=index, body=document("€" * (LIMIT + 1), 1), params={"refresh": "true"})
    assert stream.client.count(index=index)["count"] == 3
    stream.condense()
    proof = verify(stream.client, stream.dataset, DAY)
    assert proof.state == "held"
    with pytest.raises(Refused, match="has 1 document with a 'device' that is longer than its mapping allows"):
        require_proven(proof)


def test_a_template_that_counts_for_later_days_is_noticed(shell: Shell, stream: Stream) -> None:
    name = stream.dataset.name
    put(stream, "_index_template", f"other-{name}", {"index_patterns": [f"{name}-2098.*"], "priority": 500})
    told = shell.run(f"template {name} --url {shell.url}").stderr
    assert f"other-{name} also matches {name}-2098.01.01 and has the priority 500" in told
    told = shell.run(f"template {name} --apply --replace other-{name} --url {shell.url}", exit_code=1).stderr
    assert f"other-{name} also matches" in told


def test_templates_that_would_no_longer_count_are_named_and_kept(shell: Shell, stream: Stream) -> None:
    name = stream.dataset.name
    command, legacy, other = f"template {name} --url {shell.url}", f"legacy-{name}", f"other-{name}"
    settings = {"index.default_pipeline": "p6", "number_of_replicas": 1}
    body = {"index_patterns": [f"{name}-*"], "settings": settings, "aliases": {"everything": {}}}
    put(stream, "_template", legacy, body)
    told = shell.run(command).stderr
    assert f"legacy index template {legacy} counts for raw days like {name}-20" in told
    assert "setting index.default_pipeline = p6, alias everything." in told  # the replicas stay as they are
    assert f"--replace {legacy}" in shell.run(f"{command} --apply --replace x", exit_code=1).stderr
    shell.run(f"{command} --apply --replace {legacy}")
    shell.run(f"{command} --apply --shards 2")  # it no longer counts anyway

    mappings = {"properties": {"more": {"type": "ip"}}}
    stream.client.indices.delete_index_template(name=template_name(stream.dataset))
    put(stream, "_index_template", other, {"index_patterns": [f"{name}-2*"], "template": {"mappings": mappings}})
    told = shell.run(f"{command} --apply", exit_code=1).stderr
    assert 'they would lose what it sets, field more = {"type": "ip"}.' in told
    assert f"add --replace {other}" in told
    assert not stream.client.indices.exists_index_template(name=template_name(stream.dataset))
    shell.run(f"{command} --apply --replace {other}")
    assert ours(stream)["priority"] == 200


def test_what_somebody_changed_in_ours_is_told_and_kept(shell: Shell, stream: Stream) -> None:
    command = f"template {stream.dataset.name} --url {shell.url}"
    shell.run(f"{command} --apply")
    shell.run(f"{command} --apply --shards 2 --priority 300 --refresh 5s")  # nobody changed it in between
    body = ours(stream)
    body["template"]["aliases"] = {"mine": {}}
    del body["template"]["settings"]["index"]["sort"]
    put(stream, "_index_template", template_name(stream.dataset), body)
    again = f"{command} --shards 2 --priority 300 --refresh 5s"
    for told in (shell.run(again).stderr, shell.run(f"{again} --apply", exit_code=1).stderr):
        assert "was changed since Strata wrote it: it has alias mine, no setting index.sort.field, no" in told
    assert ours(stream)["template"]["aliases"] == {"mine": {}}
    shell.run(f"{again} --apply --replace {template_name(stream.dataset)}")
    assert "aliases" not in ours(stream)["template"]
    shell.run(f"{again} --apply")


@pytest.mark.parametrize(
    ("kind", "reason"), [("bogus", "No handler for type [bogus] declared on field [x]"), ("double", "")]
)
def test_a_dry_run_asks_the_server(shell: Shell, stream: Stream, kind: str, reason: str) -> None:
    name = stream.dataset.name
    definition = stream.dataset.model_dump(mode="json")
    definition["raw"]["fields"] = {"x": kind}
    (shell.folder / f"{name}.yaml").write_text(yaml.safe_dump(definition), "utf-8")
    told = shell.run(f"template {name} --url {shell.url}", exit_code=1 if reason else 0)
    assert reason in told.stderr
    assert ("would not take the template" in told.stderr) == bool(reason)
    assert not stream.client.indices.exists_index_template(name=template_name(stream.dataset))


def test_a_refresh_that_is_no_time_is_refused_offline(shell: Shell, stream: Stream) -> None:
    told = shell.run(f"template {stream.dataset.name} --refresh soon", exit_code=2).stderr
    assert "is not a length of time" in " ".join(told.split())
