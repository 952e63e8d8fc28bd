"""Every request that decides over a deletion, answered badly in every way: the day stays, and says so.

Which requests there are is recorded from a run, not written down here: a new one is tried by itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import tenacity.nap
from opensearchpy import OpenSearch

from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.history.month.noting import TURN
from opensearch_strata.history.month.rows_of_day import carried
from opensearch_strata.workflows.cycle import Retirement, retire_expired
from opensearch_strata.workflows.expired import Expired
from tests.faults import rules
from tests.faults.proxy import Answer, FaultyProxy, Forward, Request, Rule
from tests.streams import DAY, Stream, StreamFactory

TODAY = DAY + timedelta(days=90)
COUNT = 40
SHARE = 40
EVERY = pytest.param(1, id="every", marks=pytest.mark.exhaustive)


def changed(change: Callable[[dict[str, Any]], None]) -> Rule:
    """The request is carried out, and something in its answer is not as it should be."""

    def rule(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        body = answer.json
        for part in body.get("responses", [body]):
            change(part)
        return Answer.of_json(answer.status, body)

    return rule


def _failed(body: dict[str, Any]) -> None:
    shards = body.get("_shards", {"total": 1})
    body["_shards"] = {**shards, "successful": 0, "failed": shards["total"]}


def _one_of_two_failed(body: dict[str, Any]) -> None:
    body["_shards"] = {"total": 2, "successful": 1, "skipped": 0, "failed": 1}


def _skipped(body: dict[str, Any]) -> None:
    body["_shards"] = {**body.get("_shards", {}), "total": 2, "successful": 2, "skipped": 1, "failed": 0}


def _timed_out(body: dict[str, Any]) -> None:
    body["timed_out"] = True


def _without_account(body: dict[str, Any]) -> None:
    body.pop("_shards", None)
    body.pop("timed_out", None)


# Kind -> the rule, and of which requests it can be said at all.
READS = re.compile(r"/_(search|msearch|refresh|flush|stats)\b")
SEARCHES = re.compile(r"/_(search|msearch)\b")
BAD: dict[str, tuple[Rule, re.Pattern[str]]] = {
    "all shards failed": (changed(_failed), READS),
    "one of two shards failed": (changed(_one_of_two_failed), READS),
    "a shard was skipped": (changed(_skipped), SEARCHES),
    "timed out": (changed(_timed_out), re.compile(r"/_(search|msearch|delete_by_query)\b")),
    "no account of shards": (changed(_without_account), READS),
    "a web page": (rules.web_page, re.compile("")),
    "half an answer": (rules.garbled, re.compile("")),
    "500": (rules.refused(500, "null_pointer_exception"), re.compile("")),
    "503": (rules.refused(503, "cluster_manager_not_discovered_exception"), re.compile("")),
}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried again at once."""
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=lambda _: None))


@pytest.fixture
def proxied(opensearch_url: str) -> Iterator[tuple[FaultyProxy, OpenSearch]]:
    with FaultyProxy(opensearch_url) as proxy:
        settings = ClientSettings.from_url(proxy.url, timeout=20, max_retries=0)
        with build_client(settings) as through:
            yield proxy, through


def expired_day(make_stream: StreamFactory) -> Stream:
    """A raw day that has left the window, with rows of a part of it: late documents are still to be condensed."""
    stream = make_stream(history={"levels": []})  # which decide nothing: they can be built again
    stream.condensed(count=COUNT)
    stream.fill(count=COUNT, seed=9)
    return stream


def retired(through: OpenSearch, stream: Stream) -> Retirement:
    (lot,) = retire_expired(
        through, stream.dataset, Expired({stream.dataset.raw_index(DAY): DAY}), TODAY, apply=True, engine="search"
    )
    return lot


def signature(stream: Stream, request: Request) -> str:
    """A request without what differs from test to test."""
    path = request.path.replace(stream.dataset.month_index(DAY), "MONTH").replace(stream.dataset.raw_index(DAY), "RAW")
    return f"{request.method} {path}"


def gives_the_turn_back(request: Request) -> bool:
    """Whether this ends a turn to change the notes of a month: they are written by then, so it decides nothing."""
    return request.path.endswith("/_bulk") and request.body.startswith(b'{"delete"') and TURN.encode() in request.body


def recorded(proxy: FaultyProxy, through: OpenSearch, stream: Stream) -> list[str]:
    """Signatures of all requests up to the deletion, in the order in which they came, equal ones numbered."""
    seen: Counter[str] = Counter()
    found = []

    def note(request: Request, forward: Forward) -> Answer:
        name = signature(stream, request)
        seen[name] += 1
        if not gives_the_turn_back(request):
            found.append(f"{name} #{seen[name]}")
        return forward(request)

    proxy.add(note, path="")
    assert retired(through, stream).outcome == "deleted"
    proxy.clear()
    return found[: next(number for number, name in enumerate(found) if name.startswith("DELETE /RAW"))]


def from_then_on(stream: Stream, wanted: str, rule: Rule) -> Rule:
    """A rule for one kind of request, from its n-th on."""
    name, _, number = wanted.rpartition(" #")
    seen: Counter[str] = Counter()

    def planted(request: Request, forward: Forward) -> Answer:
        found = signature(stream, request)
        seen[found] += 1
        return rule(request, forward) if found == name and seen[found] >= int(number) else forward(request)

    return planted


def assert_kept_and_mended(proxy: FaultyProxy, through: OpenSearch, stream: Stream, wanted: str, kind: str) -> None:
    """The day stays with a sentence while the answer is bad, and leaves whole when it is good again."""
    rule, _ = BAD[kind]
    proxy.add(from_then_on(stream, wanted, rule), path="")
    lot = retired(through, stream)
    proxy.clear()
    assert lot.outcome == "kept", f"deleted although {wanted} was answered with: {kind}"
    assert stream.exists()
    assert lot.note.endswith("."), lot.note
    assert "Traceback" not in lot.note
    again = retired(through, stream)
    assert again.outcome == "deleted", f"{wanted}, {kind}: {again.note}"
    assert carried(stream.client, stream.dataset, DAY).documents == 2 * COUNT


def cases(names: list[str]) -> list[tuple[str, str]]:
    """Each request with each bad answer that can be given to it."""
    return [(name, kind) for name in names for kind, (_, asked) in BAD.items() if asked.search(name)]


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_answer_keeps_the_day(
    kind: str, proxied: tuple[FaultyProxy, OpenSearch], make_stream: StreamFactory
) -> None:
    """Each kind of bad answer to a share of the requests, another share for each kind; the long test has more."""
    proxy, through = proxied
    names = recorded(proxy, through, expired_day(make_stream))
    chosen = [name for name, found in cases(names) if found == kind]
    for name in chosen[list(BAD).index(kind) :: SHARE] or chosen[:1]:
        assert_kept_and_mended(proxy, through, expired_day(make_stream), name, kind)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("turns", [pytest.param(6, id="a sixth"), EVERY])
def test_bad_answers_to_every_request_keep_the_day(
    kind: str, turns: int, proxied: tuple[FaultyProxy, OpenSearch], make_stream: StreamFactory
) -> None:
    """Every bad answer to each request, or a sixth of them: then the kinds take turns."""
    proxy, through = proxied
    names = recorded(proxy, through, expired_day(make_stream))
    chosen = [name for name, found in cases(names) if found == kind]
    assert chosen
    for name in chosen[list(BAD).index(kind) % turns :: turns] or chosen[:1]:
        assert_kept_and_mended(proxy, through, expired_day(make_stream), name, kind)


def test_the_list_of_requests_has_what_decides(
    proxied: tuple[FaultyProxy, OpenSearch], make_stream: StreamFactory
) -> None:
    proxy, through = proxied
    names = recorded(proxy, through, expired_day(make_stream))
    for wanted in ("POST /RAW/_search", "POST /MONTH/_search", "POST /RAW/_refresh", "GET /RAW/_stats"):
        assert any(name.startswith(wanted) for name in names), (wanted, names)
