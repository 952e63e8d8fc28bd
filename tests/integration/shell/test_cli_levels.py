"""``strata levels``: dry by default, from the rows that exist, and what a person must look at."""

from __future__ import annotations

from datetime import timedelta

from opensearch_strata.history.verify.repair import prove
from tests.levels import notes
from tests.shell import Shell
from tests.streams import DAY

NEXT = DAY + timedelta(days=1)


def test_levels_of_days_whose_raw_days_are_gone(shell: Shell) -> None:
    stream = shell.stream(history={"levels": [{"bucket": "1h"}, {"bucket": "1d"}, {"bucket": "1M"}]})
    client, dataset = stream.client, stream.dataset
    for day in (DAY, NEXT):
        stream.condensed(day, count=40)
        assert prove(client, dataset, day, engine="search").state == "verified"
        client.indices.delete(index=dataset.raw_index(day))
    asked = f"levels {dataset.name} --from {DAY} --to {NEXT + timedelta(days=1)}"
    dry = shell.run(asked)
    assert "0 of 5 levels are complete." in dry.stdout
    assert "Nothing was changed; run this again with --apply" in dry.stdout
    assert not client.indices.exists(index=dataset.levels_index(DAY))
    applied = shell.run(f"{asked} --apply")
    assert f"{DAY}: 1h, 1d built." in applied.stderr
    assert "5 of 5 levels are complete." in applied.stdout
    units = shell.json(asked)["units"]
    assert [(unit["unit"], [level["state"] for level in unit["levels"]]) for unit in units] == [
        (f"{DAY}", ["complete"] * 2),
        (f"{NEXT}", ["complete"] * 2),
        (f"{NEXT + timedelta(days=1)}", []),
        (f"{DAY:%Y-%m}", ["complete"]),
    ]
    assert [unit["documents"] for unit in units] == [40, 40, 0, 80]
    stream.drop_row(next(iter(stream.rows())))
    lost = shell.run(f"{asked} --apply", 1)
    assert "are not those that were proven, so no level is merged from them." in lost.stderr
    assert notes(client, dataset, DAY) is not None  # what was complete stays noted; its base rows are what is damaged


def test_verify_shows_each_level_and_fails_if_one_differs(shell: Shell) -> None:
    stream = shell.stream(engine="search")
    client, dataset = stream.client, stream.dataset
    stream.condensed(count=40)
    assert shell.run(f"verify {dataset.name} {DAY} --repair").exit_code == 0
    shown = shell.run(f"verify {dataset.name} {DAY}").stdout
    assert all(f"level {level.name}" in shown for level in dataset.levels)
    index = dataset.levels_index(DAY)
    (hit, *_) = client.search(index=index, body={"query": {"term": {"level": "1h"}}})["hits"]["hits"]
    client.delete(index=index, id=hit["_id"], params={"refresh": "true"})
    found = shell.run(f"verify {dataset.name} {DAY}", 1)
    assert "The level 1h of 2024-05-06 differs: 1 row missing (first: 2024-05-06" in found.stderr
    assert f"strata levels {dataset.name} --from {DAY} --to {DAY} --apply" in found.stderr


def test_what_has_no_levels_is_refused(shell: Shell) -> None:
    stream = shell.stream(history={"levels": []})
    name = stream.dataset.name
    assert "has no levels: history.levels is empty" in shell.run(f"levels {name} --from {DAY} --to {DAY}", 1).stderr
