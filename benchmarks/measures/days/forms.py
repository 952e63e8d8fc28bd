"""What the template for producers saves: bytes of a raw day, and seconds to condense it, by codec and index sort."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from benchmarks.material.telemetry import bodies, raw_mapping
from benchmarks.material.workload import SIZES_OLD, Workload, write
from benchmarks.measures.history.condensing import pages
from benchmarks.timing import Samples, Task, timed
from opensearch_strata.archive.targets.templates.day_template import DayForm, day_template
from opensearch_strata.history.buckets.aggregation import rows_body
from opensearch_strata.presentation.tables import Table

FORMS = {
    "as the server makes it": DayForm(replicas=0, codec="default", sort=False),
    "codec best_compression": DayForm(replicas=0, sort=False),
    "and sorted by group and time": DayForm(replicas=0),
}


@dataclass(frozen=True)
class Formed:
    """The first raw day in each of the forms.

    :param loading: seconds until its documents were accepted, by form
    :param bytes: its store size, merged
    :param condensing: of the search that condenses it
    """

    loading: dict[str, float]
    bytes: dict[str, int]
    condensing: dict[str, Samples]

    def table(self) -> Table:
        """Bytes and seconds, each compared with the first form."""
        first = next(iter(FORMS))
        rows = [
            (
                name,
                round(self.loading[name], 1),
                self.bytes[name],
                f"{self.bytes[name] / self.bytes[first]:.2f}",
                round(self.condensing[name].seconds, 2),
                f"{self.condensing[name].seconds / self.condensing[first].seconds:.2f}",
            )
            for name in FORMS
        ]
        columns = ("a raw day", "loaded in s", "bytes, merged", "of the first", "condensed in s", "of the first ")
        return Table("What the template for producers saves", columns, rows)


def measure_forms(workload: Workload, rounds: int, say: Callable[[str], None]) -> Formed:
    """Load the first raw day in each form and condense it, the forms taking turns."""
    dataset = workload.dataset
    indices, loading = {}, {}
    for number, (name, form) in enumerate(FORMS.items()):
        say(f"a raw day, {name}")
        indices[name] = index = f"{workload.prefix}-form-{number}"
        settings = {**day_template(dataset, form)["template"]["settings"], "index.refresh_interval": "-1"}
        workload.client.indices.create(index=index, body={"settings": settings, "mappings": raw_mapping()})
        began = perf_counter()
        write(workload.client, index, bodies(workload.days[0], workload.documents, workload.seed))
        loading[name] = perf_counter() - began
    workload.merge(indices.values(), min(workload.settle, SIZES_OLD))

    def condense(index: str) -> None:
        for _ in pages(workload, dataset, index, rows_body, {"match_all": {}}):
            pass

    tasks = {name: Task(partial(condense, index)) for name, index in indices.items()}
    samples = timed(workload.client, tasks, rounds, lambda text: say(f"Forms of a raw day: {text}"))
    sizes = {name: workload.bytes_of(index) for name, index in indices.items()}
    workload.client.indices.delete(index=",".join(indices.values()))
    return Formed(loading, sizes, samples)
