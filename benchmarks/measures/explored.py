"""How long the page Explore takes to answer: questions about a month of the sample, through the app of the pages.

``python -m benchmarks.measures.explored`` loads November 2013 of the flights into a node of its own, condenses it,
deletes the raw days of its first half, and prints the median of each question in milliseconds. The caller may see
everything, so what Airflow's login adds is not in it.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import date
from types import SimpleNamespace

from opensearchpy import OpenSearch
from starlette.testclient import TestClient

from benchmarks.material.workload import BenchmarkError
from benchmarks.running import node_at
from benchmarks.timing import Task, timed
from local.samples.flights import flights_dataset, load_flights
from opensearch_strata.airflow.ui.access import reader
from opensearch_strata.airflow.ui.app import build_app
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.definition.days import days_between
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.levels.prove import prove

FIRST, MIDDLE, LAST = date(2013, 11, 1), date(2013, 11, 15), date(2013, 11, 30)
QUESTIONS = {
    "one metric, as the page opens": "metric=dep_delay",
    "three metrics every 6 hours": "metric=dep_delay&metric=arr_delay&metric=air_time&interval=6h",
    "one metric, hourly": "metric=dep_delay&interval=1h",
    "one metric, hourly by origin": "metric=dep_delay&interval=1h&by=origin",
    "one metric, daily by carrier": "metric=dep_delay&interval=1d&by=carrier",
    "one metric, hourly of one carrier": "metric=dep_delay&interval=1h&where.carrier=UA",
}
"""What is asked -> the rest of the address."""


def make_month(client: OpenSearch) -> None:
    """Condense the days of November, and delete the raw days of its first half.

    :raises BenchmarkError: a day was not proven
    """
    dataset = flights_dataset()
    load_flights(client, FIRST, LAST)
    for day in days_between(FIRST, LAST):
        condense(client, dataset, day, engine="search")
        if (proof := prove(client, dataset, day, engine="search")).state != "verified":
            raise BenchmarkError(f"{proof.index} is {proof.state}.")
        if day <= MIDDLE:
            client.indices.delete(index=dataset.raw_index(day))


class Visitor:
    """Somebody who may see everything.

    :param question: a value of :data:`QUESTIONS`
    """

    def __init__(self, question: str) -> None:
        self._address = f"/datasets/flights/explore?from={FIRST}&to={LAST}&{question}"
        self._browser: TestClient | None = None

    def come(self) -> None:
        """Come to an app that keeps no answer, because nobody has asked it anything."""
        app = build_app()
        app.dependency_overrides[reader] = lambda: SimpleNamespace(readable=set, require=lambda _: None)
        self._browser = TestClient(app)

    def ask(self) -> None:
        """Ask for the page.

        :raises BenchmarkError: it contains no answer
        """
        assert self._browser, "come() was called"
        page = self._browser.get(self._address)
        if page.status_code != 200 or 'id="charts"' not in page.text:
            raise BenchmarkError(f"{self._address} was answered with {page.status_code}: {page.text[:2000]}")


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    asked = parser.parse_args()
    with node_at(None) as url:
        os.environ["AIRFLOW_CONN_OPENSEARCH_DEFAULT"] = url
        client = build_client(ClientSettings.from_url(url, timeout=600, opaque_id="strata-benchmark"))
        make_month(client)
        visitors = {name: Visitor(question) for name, question in QUESTIONS.items()}
        tasks = {name: Task(visitor.ask, prepare=visitor.come) for name, visitor in visitors.items()}
        samples = timed(client, tasks, asked.rounds)
    for name, found in samples.items():
        slowest = max(found.whole)
        sys.stdout.write(f"{name:36} {found.seconds * 1000:6.0f} ms, {slowest * 1000:6.0f} ms at most\n")


if __name__ == "__main__":
    main()
