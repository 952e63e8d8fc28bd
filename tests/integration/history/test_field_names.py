"""Fields may be named as OpenSearch lets them be named: condensed, proven, asked for, deleted like all others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.history.condense.condense import condense
from opensearch_strata.reader import read
from tests.shell import Shell
from tests.streams import DAY, Document, StreamFactory, assert_verified

NAMES = [
    "two words",
    " blanks around ",
    "9 lives",
    "größe",
    "温度",
    "😀.größe in µm",
    "-minus",
    "a,b=c",
    "a[b]>c",
    'it\'s "quoted" {here}: #1\\2',
    "two\nlines",
    "a?b|c/d",
    "$doc['x'].value",
]
START = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)


@pytest.mark.usefixtures("quick_jobs")
def test_any_name_that_the_server_takes_is_a_group_a_metric_and_a_time(
    cluster: OpenSearch, make_stream: StreamFactory
) -> None:
    groups, values = ([f"{name}{kind}" for name in NAMES] for kind in ("g", "v"))
    time = f"{NAMES[0]} t"
    stream = make_stream(
        {
            **dict.fromkeys(groups, "keyword"),
            **dict.fromkeys(values, "double"),
            time: "date",
        },
        raw={"timestamp": time},
        history={"group_by": groups},
        metrics={
            f"v{number}": {"field": field, "stats": ["min", "max", "sum", "count"]}
            for number, field in enumerate(values)
        },
    )
    documents: list[Document] = [
        {
            **{field: f"{field} {number % 2}" for field in groups},
            **dict.fromkeys(values, number / 2),
            time: (START + timedelta(hours=number)).isoformat(),
        }
        for number in range(8)
    ]
    stream.write(documents)
    stream.condense()
    assert_verified(stream)
    by_search = stream.rows()
    condense(cluster, stream.dataset, DAY, engine="transform_job", redefine=True)
    assert_verified(stream)
    assert stream.rows().keys() == by_search.keys()
    assert len(by_search) == len(documents)
    frame = read(
        stream.client, stream.dataset, START, START + timedelta(days=1), metrics=["v0"], stats=["sum"],
        by=groups, where={groups[0]: f"{groups[0]} 1"},
    )  # fmt: skip
    (record,) = frame.to_dict("records")
    assert record["v0.sum"] == sum(number / 2 for number in (1, 3, 5, 7))
    assert [record[field] for field in groups] == [f"{field} 1" for field in groups]


def test_the_shell_asks_by_a_name_with_blanks(shell: Shell) -> None:
    stream = shell.stream(
        types={"@timestamp": "date", "Gerät Nr.1": "keyword", "größe": "double"},
        history={"group_by": ["Gerät Nr.1"], "replicas": 0},
        metrics={"size": {"field": "größe", "stats": ["sum", "count"]}},
    )
    stream.write([{"@timestamp": START.isoformat(), "Gerät Nr.1": name, "größe": 1.5} for name in ("A 1", "A 1", "B")])
    name = stream.dataset.name
    shell.run(f"condense {name} {DAY} --engine search")
    shell.run(f"verify {name} {DAY}")
    asked = f"query {name} --from {DAY} --to {DAY} --metric size --stat sum"
    (row,) = shell.json(f"{asked} --where 'Gerät Nr.1=A 1'")
    assert row["size.sum"] == 3.0
    rows = shell.json(f"{asked} --by 'Gerät Nr.1'")
    assert [(row["Gerät Nr.1"], row["size.sum"]) for row in rows] == [("A 1", 3.0), ("B", 1.5)]
