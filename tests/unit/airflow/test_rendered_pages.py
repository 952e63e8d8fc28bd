"""The pages without Airflow's database: nobody anonymous, everything escaped, no waiting, no way out but forms."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.routing import Route

from opensearch_strata.airflow.ui import sources
from opensearch_strata.airflow.ui.access import reader
from opensearch_strata.airflow.ui.answers import Answers
from opensearch_strata.airflow.ui.app import build_app
from opensearch_strata.airflow.ui.forms import forms_of, loading_forms_of
from opensearch_strata.airflow.ui.mounted import Pages
from opensearch_strata.airflow.ui.rendering import HEADERS
from opensearch_strata.definition.files import Definitions
from opensearch_strata.errors import TransientError
from opensearch_strata.workflows.audit.findings import Finding
from opensearch_strata.workflows.overview.kinds import MEANINGS
from opensearch_strata.workflows.overview.one_day import Loaded, OneDay
from opensearch_strata.workflows.overview.overview import Overview
from tests.overviews import END, KINDS, MARK, PROVEN, ROWS, SHOP, State, answered, loads, overview
from tests.streams import dataset_of

EVIL = "<script>alert('x')</script>"
PARTS = {"name": "shop", "day": f"{END}", "dag_id": "shop_daily_cycle"}


@dataclass
class Somebody:
    """A caller who may read some DAGs."""

    dags: frozenset[str] = frozenset({"shop_daily_cycle", "history_audit"})

    def readable(self, dag_ids: Any) -> set[str]:
        return set(self.dags) & set(dag_ids)

    def require(self, dag_id: str) -> None:
        if dag_id not in self.dags:
            raise HTTPException(403, f"You may not read {dag_id}.")


def mounted(app: FastAPI) -> TestClient:
    """The app below a prefix, as Airflow mounts it."""
    outer = FastAPI()
    outer.mount("/strata", Pages(lambda: app))
    return TestClient(outer, raise_server_exceptions=False)


def routes(app: FastAPI) -> list[str]:
    """An address of each route, whoever added it."""
    found = [route for route in app.routes if isinstance(route, APIRoute | Route)]
    assert len(found) == len(app.routes)  # nothing is mounted that this walk would miss
    return [route.path.replace("{name:path}", "strata.css").format(**PARTS) for route in found[:-1]]


@dataclass
class Shown:
    """The pages for somebody, of a dataset as a test wants it."""

    client: TestClient
    caller: Somebody
    made: dict[str, Overview]

    def get(self, path: str) -> str:
        answer = self.client.get(f"/strata/{path}")
        assert answer.status_code == 200, answer.text
        return str(answer.text)


def fresh(caller: Somebody) -> TestClient:
    """The pages for somebody, which know no answer yet."""
    app = build_app(Answers(patience=2))
    app.dependency_overrides[reader] = lambda: caller
    return mounted(app)


@pytest.fixture
def shown() -> Iterator[Shown]:
    made = {"shop": overview({4: KINDS["gone"], 2: KINDS["lost"], 1: PROVEN, 0: KINDS["raw"]})}
    caller = Somebody()

    def one_day(seen: Overview, day: Any) -> OneDay:
        state = next(one for one in seen.inventory.days if one.day == day)
        found = [Finding("day", day, EVIL, "look", EVIL)]
        return OneDay(seen.by_day[day], state, found, [Loaded(EVIL, EVIL, 1, 1, EVIL)], 1, EVIL)

    with ExitStack() as patched:
        datasets = {name: one.dataset for name, one in made.items()}
        datasets["hidden"] = dataset_of("hidden")
        for name, value in {
            "definitions": lambda: Definitions(datasets),
            "overview_of": lambda dataset: made[dataset.name],
            "one_day_of": one_day,
            "loads_of": lambda _: loads(EVIL),
            "answer_of": lambda dataset, asked: answered(EVIL, asked),
        }.items():
            patched.enter_context(patch.object(sources, name, value))
        yield Shown(fresh(caller), caller, made)


@pytest.mark.parametrize("path", routes(build_app()))
def test_nothing_is_served_to_who_has_not_signed_in(path: str) -> None:
    client = mounted(build_app())
    for headers in ({}, {"Cookie": "_token="}, {"Authorization": "Basic eDp5"}):
        answer = client.get(f"/strata{path}", headers=headers)
        assert answer.status_code == 401
        assert "shop" not in answer.text
        assert "not signed in" in answer.text


@pytest.mark.parametrize("path", routes(build_app()))
def test_pages_can_only_be_read(path: str, shown: Shown) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert shown.client.request(method, f"/strata{path}").status_code == 405


@pytest.mark.parametrize("path", [path for path in routes(build_app()) if "shop" in path])
def test_who_may_not_read_the_dag_sees_nothing_of_the_dataset(path: str, shown: Shown) -> None:
    assert shown.client.get(f"/strata{path}").status_code == 200
    shown.caller.dags = frozenset({"another"})
    refused = shown.client.get(f"/strata{path}")
    assert refused.status_code == 403
    assert "raw" not in refused.text
    unknown = shown.client.get(f"/strata{path.replace('shop', 'nowhere')}")
    assert (unknown.status_code, unknown.text) == (403, refused.text.replace("shop", "nowhere"))


def test_datasets_of_others_are_not_listed(shown: Shown) -> None:
    assert "datasets/hidden" not in shown.get("")
    shown.caller.dags = frozenset()
    text = shown.get("")
    assert "datasets/shop" not in text
    assert "There is no dataset that you may read." in text


def test_every_answer_has_the_headers_that_protect_it(shown: Shown) -> None:
    for path in ("", "static/strata.js", "datasets/hidden", "nowhere", "datasets/shop/days/tomorrow"):
        answer = shown.client.get(f"/strata/{path}")
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_pages_that_airflow_does_not_fit_are_closed() -> None:
    def broken() -> Any:
        raise ImportError("cannot import name 'get_user'")

    outer = FastAPI()
    outer.mount("/strata", Pages(broken))
    for path in ("", "datasets/shop", "static/strata.css"):
        answer = TestClient(outer).get(f"/strata/{path}")
        assert (answer.status_code, "do not fit" in answer.text) == (503, True)


def test_links_are_relative_and_lead_to_pages(shown: Shown) -> None:
    seen, pending = set(), {"/strata/"}
    while pending:
        path = pending.pop()
        seen.add(path)
        answer = shown.client.get(path)
        assert answer.status_code == 200, path
        for part in answer.text.split('href="')[1:]:
            link = part.partition('"')[0]
            assert not link.startswith(("/", "http")), link
            target = answer.request.url.join(link).path
            if target.startswith("/strata") and target not in seen:
                pending.add(target)
    assert f"/strata/datasets/shop/days/{END}" in seen
    assert {"/strata/static/strata.css", "/strata/datasets/shop/loads"} <= seen


def test_the_days_have_the_colours_that_the_legend_names(shown: Shown) -> None:
    shown.made["shop"] = overview(dict(enumerate(KINDS.values(), 1)))
    text = shown.get("datasets/shop")
    for kind in KINDS:
        assert f'<a class="cell {kind}"' in text
        assert f"{MEANINGS[kind].label} <span" in text  # type: ignore[index]
    assert "being loaded" not in text
    css = shown.get("static/strata.css")
    assert all(f".cell.{kind} {{" in css for kind in MEANINGS)


def test_an_archive_that_did_not_answer_is_not_an_empty_one(shown: Shown) -> None:
    states = {9: {**PROVEN, "documents": 15}, 8: {"rows": ROWS, "mark": MARK}, 0: PROVEN}
    shown.made["shop"] = overview(states, archive_seen=False, unseen=["Its archive was not looked at: S3 refused."])
    text = shown.get("datasets/shop")
    assert '<td data-label="Archive">not known</td>' in shown.get("")
    assert "<dt>Archive</dt><dd>not known: it was not looked at" in text
    before = "<dt>Archived before a deletion</dt>\n  <dd>"
    assert f"{before}not known: the archive was not looked at</dd>" in text
    assert 'class="cell unseen"' in text
    assert 'class="cell rows"' not in text
    assert "2024-05-04: 5 documents came after its rows were made." in text
    assert "not known" in shown.get("datasets/shop/days/2024-05-05")


UNKNOWN = {**PROVEN, "raw_bytes": None, "rows_bytes": None}


@pytest.mark.parametrize(
    ("newest", "raw", "rows"),
    [(UNKNOWN, "not known", "not known"), (PROVEN, "at least 4.0 KiB", "at least 512 B")],
)
def test_a_size_that_is_not_known_is_not_none(newest: State, raw: str, rows: str, shown: Shown) -> None:
    shown.made["shop"] = overview({1: UNKNOWN, 0: newest})
    assert f"2 days, {raw}" in shown.get("")
    assert f"in a window of 3 days, {raw}</dd>" in shown.get("datasets/shop")
    assert f"6 rows, {rows}, since" in shown.get("datasets/shop")
    assert shown.get("datasets/shop/days/2024-05-12").count('<td class="n">not known</td>') == 2


def test_what_is_archived_by_age_is_shown(shown: Shown) -> None:
    archive = {"bucket": "shop-archive", "after_days": 2}
    late = dataset_of("shop", raw={"window_days": 30}, archive=archive)
    shown.made["shop"] = overview({2: {**PROVEN, "documents": 9}, 1: PROVEN, 0: PROVEN}, late)
    with patch.object(sources, "definitions", lambda: Definitions({"shop": late})):
        text = shown.get("datasets/shop")
    assert "<dt>Archived before a deletion, or at an age of 2 days</dt>\n  <dd>2024-05-12, 2024-05-13</dd>" in text
    assert "<li>2024-05-11: It holds 9 documents, but its rows carry 10.</li>" in text


def test_the_tab_of_a_dag_is_the_calendar_of_its_dataset(shown: Shown) -> None:
    assert "<h1>shop" in shown.get("dags/shop_daily_cycle")
    assert "is not the daily cycle of a dataset" in shown.get("dags/history_audit")


def test_a_day_that_is_not_known_is_not_found(shown: Shown) -> None:
    answer = shown.client.get("/strata/datasets/shop/days/1999-01-01")
    assert (answer.status_code, "Nothing is known of 1999-01-01" in answer.text) == (404, True)
    assert shown.client.get(f"/strata/datasets/shop/days/{EVIL}").status_code in (404, 422)


def test_whatever_comes_from_elsewhere_is_escaped(shown: Shown) -> None:
    evil = {**PROVEN, "wanted": f"{EVIL} \x1b[31m"}
    shown.made["shop"] = overview({0: {"problem": EVIL}, 1: evil}, unseen=[EVIL], loading={})
    for path in ("", "datasets/shop", f"datasets/shop/days/{END}", "datasets/shop/loads", "datasets/shop/explore"):
        text = shown.get(path)
        assert "<script>alert" not in text
        assert "\x1b" not in text
        assert ("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in text) == bool(path)  # the list has other sentences


def test_loads_show_shapes_of_records_and_not_what_is_in_them(shown: Shown) -> None:
    text = shown.get("datasets/shop/loads")
    assert "<code>&lt;xxxxxx&gt;xxxxx(&#39;x&#39;)&lt;/xxxxxx&gt;</code>" in text
    assert "2 objects loaded, 1 loader at work, 1 object not loaded." in text
    assert "200 B/s" in text
    assert "Redrive" not in text  # there is no source
    assert [form.label for form in loading_forms_of(loadable_shop())] == ["Backfill", "Redrive"]


def test_a_question_is_kept_in_the_form_and_taken_elsewhere(shown: Shown) -> None:
    question = "metric=load&from=2024-05-01&to=2024-05-02&interval=1h&by=device&where.site=%22%3E%3Cb%3E"
    text = shown.get(f"datasets/shop/explore?{question}")
    assert 'value="&#34;&gt;&lt;b&gt;"' in text
    assert 'value="load" checked' in text
    assert "strata query shop --from 2024-05-01 --to 2024-05-02 --interval 1h --metric load" in text
    assert f'href="explore.csv?{question.replace("&", "&amp;")}"' in text
    answer = shown.client.get(f"/strata/datasets/shop/explore.csv?{question}")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.text.startswith("time,metric,p50,source")
    assert "is not a day" in shown.get("datasets/shop/explore?from=tomorrow")
    assert shown.client.get("/strata/datasets/shop/explore.csv?from=tomorrow").status_code == 422


def test_metrics_that_are_no_numbers_are_named_beside_those_that_are_offered(shown: Shown) -> None:
    assert "Not drawn" not in shown.get("datasets/shop/explore")
    load = {"field": "load", "stats": ["count", "sum"]}
    users = {"field": "user", "stats": ["count"], "distribution": {"distinct": {"error": 0.02}}}
    mixed = dataset_of("shop", metrics={"load": load, "users": users})
    with patch.multiple(sources, definitions=lambda: Definitions({"shop": mixed})):
        shown.client = fresh(shown.caller)
        text = shown.get("datasets/shop/explore")
    assert "Not drawn, because they are no numbers: users (different values, --stat distinct)." in text
    assert 'value="users"' not in text


def test_the_form_holds_the_true_value_and_the_page_shows_it(shown: Shown) -> None:
    text = shown.get("datasets/shop/explore?where.site=%20%E2%80%AEgpj&where.device=a%0Ab")
    assert 'name="where.site" value=" \u202egpj"' in text
    assert r"--where $&#39;site= \xe2\x80\xaegpj&#39;" in text
    assert "The value of device has a line break, which no form can hold" in text
    assert "The value of site" not in text


def test_one_dataset_that_cannot_be_looked_at_comes_first_and_hides_no_other(shown: Shown) -> None:
    others = {f"other{number}": overview({0: PROVEN}, dataset_of(f"other{number}")) for number in range(2)}
    shown.caller.dags |= {f"{name}_daily_cycle" for name in ["down", *others]}
    down = dataset_of("down")

    def look(dataset: Any) -> Overview:
        if dataset.name == "down":
            raise TransientError(f"No answer {EVIL}.")
        return (shown.made | others)[dataset.name]

    datasets = {"shop": SHOP, "down": down, **{name: one.dataset for name, one in others.items()}}
    with patch.multiple(sources, definitions=lambda: Definitions(datasets), overview_of=look):
        text = shown.get("")
        refused = shown.client.get("/strata/datasets/down")
    places = [text.index(f'href="datasets/{name}"') for name in ("down", "shop", "other0", "other1")]
    assert places == sorted(places)
    assert "No answer &lt;script&gt;" in text
    assert (refused.status_code, "No answer &lt;script&gt;" in refused.text) == (503, True)


def test_a_slow_question_is_asked_once_and_found_later() -> None:
    release, calls = threading.Event(), []

    def question() -> str:
        calls.append(1)
        release.wait(10)
        return "answer"

    async def scenario() -> None:
        answers = Answers(patience=0.05, kept=0.2)
        late = await asyncio.gather(answers.ask("key", question), answers.ask("key", question))
        assert [one.problem for one in late] == [
            "There was no answer within 0.05 s. The question goes on: reload in a moment."
        ] * 2
        release.set()
        time.sleep(0.05)
        assert [(await answers.ask("key", question)).value for _ in range(2)] == ["answer"] * 2
        assert len(calls) == 1
        release.clear()
        time.sleep(0.2)
        old = await answers.ask("key", question)
        assert (old.value, "This is what was known" in old.problem, len(calls)) == ("answer", True, 2)
        release.set()

    asyncio.run(scenario())


def test_faults_of_the_program_are_not_shown_but_logged(caplog: pytest.LogCaptureFixture) -> None:
    def question() -> None:
        raise KeyError("secret")

    found = asyncio.run(Answers().ask("key", question))
    assert found.problem == "Strata failed to look; the log of the API server says where."
    assert "secret" in caplog.text


def test_buttons_lead_to_dry_runs_of_the_right_dags() -> None:
    loadable = loadable_shop()
    cells = overview({3: KINDS["gone"], 2: KINDS["missing"], 1: PROVEN}, loadable).cells
    found = {cell.kind: {form.label: form for form in forms_of(loadable, cell)} for cell in cells}
    assert {kind: [*forms] for kind, forms in found.items()} == {
        "gone": ["Restore", "Backfill", "Audit"],
        "missing": ["Backfill", "Audit"],
        "proven": ["Run the cycle", "Reaggregate", "Backfill", "Audit"],
    }
    for forms in found.values():
        for form in forms.values():
            conf = json.loads(form.text)
            assert conf.get("dry_run") is True or conf["apply"] is False
    assert found["gone"]["Restore"].conf["source"] == "archive"
    assert found["proven"]["Reaggregate"].dag_id == "shop_daily_cycle"


def loadable_shop() -> Any:
    intake = {"source": "s3://logs/x/", "layout": "%Y/%m/%d/%H/"}
    return dataset_of("shop", archive={"bucket": "shop-archive"}, intake=intake)
