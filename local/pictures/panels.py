"""The pictures of docs/dashboards.md: Vega panels of the flights' dashboard, asked and drawn as Dashboards does.

OpenSearch Dashboards is in no package registry, so what it does to a specification is done here: `vega_request` is
`src/plugins/vis_type_vega/public/data_model/opensearch_query_parser.ts` of OpenSearch Dashboards 3.x.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import vl_convert
from opensearchpy import OpenSearch
from rich.logging import RichHandler

from local.pictures.files import write_png
from local.places import PROJECT
from local.samples.flights import flights_dataset, load_flights
from local.server.opensearch import EmbeddedOpenSearch
from opensearch_strata.dashboards.applying import store_scripts
from opensearch_strata.dashboards.made import made
from opensearch_strata.definition.days import days_between
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.levels.prove import prove

log = logging.getLogger(__name__)

Body = dict[str, Any]

FIRST, LAST = date(2013, 1, 1), date(2013, 2, 28)
PICTURES = {
    "panel-hours": ("hours-dep_delay", []),
    "panel-quantiles": ("quantiles-dep_delay", []),
    "panel-quantiles-jfk": ("quantiles-dep_delay", [{"match_phrase": {"origin": "JFK"}}]),
}
"""Picture -> part of the dashboard, and queries of the filter bar."""

_CLAUSE = re.compile(r"%dashboard_context-(filter|must|must_not)_clause%")


def vega_spec(visualization: Mapping[str, Any]) -> Body:
    """The specification of a Vega panel as JavaScript reads it: a number without a fraction is an integer.

    :param visualization: attributes of the saved object
    """
    state = json.loads(visualization["visState"])
    spec: Body = json.loads(state["params"]["spec"], parse_float=_as_javascript)
    return spec


def _as_javascript(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number


def vega_request(spec: Mapping[str, Any], shown: Mapping[str, Any], filters: Sequence[Body]) -> tuple[str, Body]:
    """Index expression and body of the search of a specification.

    :param shown: the time range of the dashboard, as the conditions of a `range` query
    :param filters: queries of the filter bar
    """
    url = spec["data"]["url"]
    body = url["body"]
    aggs, query = _filled(body["aggs"], shown, filters, False), _filled(body["query"], shown, filters, True)
    return url["index"], {**body, "query": query, "aggs": aggs}


def _filled(value: Any, shown: Mapping[str, Any], filters: Sequence[Body], is_query: bool) -> Any:
    """Replace what stands between percent signs, as `_injectContextVars` does."""
    if isinstance(value, list):
        found: list[Any] = []
        for item in value:
            if is_query and isinstance(item, str) and (clause := _CLAUSE.fullmatch(item)):
                found += {"filter": [{"match_all": {}}, *filters], "must": [], "must_not": []}[clause[1]]
            else:
                found.append(_filled(item, shown, filters, is_query))
        return found
    if not isinstance(value, dict):
        return value
    if value.get("%timefilter%") is True:
        return dict(shown)
    return {key: _filled(part, shown, filters, is_query) for key, part in value.items()}


def answered(spec: Body, answer: Body) -> Body:
    """A specification with the answer to its search in place of the search.

    :param answer: as the server sent it
    """
    return {**spec, "data": {"format": spec["data"]["format"], "values": answer}}


def draw(client: OpenSearch, folder: Path) -> list[Path]:
    """Draw the panels of the flights' dashboard from the history on a node. Returns the pictures.

    :param folder: takes them
    """
    dataset = flights_dataset()
    objects = {one["id"]: one for one in made(dataset).objects}
    start, end = (datetime.combine(day, time.min, dataset.zone) for day in (FIRST, LAST + timedelta(days=1)))
    shown = {"gte": start.isoformat(), "lt": end.isoformat(), "format": "strict_date_optional_time"}
    store_scripts(client)
    paths = []
    for name, (part, filters) in PICTURES.items():
        spec = vega_spec(objects[f"strata-flights-{part}"]["attributes"])
        index, body = vega_request(spec, shown, filters)
        drawn = {**answered(spec, client.search(index=index, body=body)), "width": 760, "height": 240}
        path = folder / f"{name}.png"
        paths.append(write_png(vl_convert.vegalite_to_png(drawn, vl_version="6.4", scale=1), path))
    return paths


def main() -> None:
    """Condense two months on a node of our own, and write the pictures to docs/images/."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[RichHandler(show_path=False)])
    logging.getLogger("opensearch").setLevel(logging.WARNING)
    dataset = flights_dataset()
    with EmbeddedOpenSearch() as node, OpenSearch(node.url, timeout=60, pool_maxsize=10) as client:
        load_flights(client, FIRST, LAST)
        for day in days_between(FIRST, LAST):
            condense(client, dataset, day, engine="search")
            if prove(client, dataset, day, engine="search").state != "verified":
                sys.exit(f"{dataset.raw_index(day)} is not verified; nothing was drawn.")
        client.indices.refresh(index=dataset.levels_index(FIRST))
        for path in draw(client, PROJECT / "docs" / "images"):
            log.info("%s", path)


if __name__ == "__main__":
    main()
