"""Cycles, late producers, recreated days, updates, deletions, damaged rows and kills, in any order and overlap.

See :mod:`tests.faults.world` for what must be true after each step. What this finds becomes a fixed example below.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from opensearchpy import OpenSearch

from tests.archives import Archive, forget_ledger
from tests.faults.world import DAYS, TODAY, World
from tests.streams import delete_indices

OURS = st.sampled_from(
    ["condense", "prove", "cycle", "cycle", "dry cycle", "reaggregate", "backfill", "backfill and drop", "redrive"]
)
OTHERS = st.sampled_from(["produce", "update", "remove"])
ANY_DAY = st.sampled_from([*DAYS, TODAY])
SEED = st.integers(0, 10_000)
REQUEST = st.integers(0, 120)


@pytest.fixture
def make_world(client: OpenSearch, opensearch_url: str, s3: Any) -> Iterator[Any]:
    prefix = f"w{uuid4().hex[:8]}"

    def made() -> World:
        bucket = f"{prefix}n{uuid4().hex[:8]}"
        s3.create_bucket(Bucket=bucket)
        return World(client, opensearch_url, bucket, Archive(s3, bucket))

    yield made
    delete_indices(client, f"{prefix}n*")
    forget_ledger(client, f"{prefix}n")


def machine(make_world: Any) -> type[RuleBasedStateMachine]:
    class Histories(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.world: World = make_world()

        @rule(day=ANY_DAY, count=st.integers(1, 12), seed=SEED)
        def produce(self, day: Any, count: int, seed: int) -> None:
            self.world.produce(day, count, seed)

        @rule(day=ANY_DAY, seed=SEED, what=st.sampled_from(["update", "remove", "spoil"]))
        def somebody(self, day: Any, seed: int, what: str) -> None:
            getattr(self.world, what)(day, seed)

        @rule(name=OURS, day=ANY_DAY)
        def ours(self, name: str, day: Any) -> None:
            self.world.strata(name, day)

        @rule(name=OURS, day=ANY_DAY, at=REQUEST)
        def killed(self, name: str, day: Any, at: int) -> None:
            self.world.strata(name, day, at, self.world.killed)

        @rule(name=OURS, day=ANY_DAY, at=REQUEST, what=OTHERS, seed=SEED)
        def disturbed(self, name: str, day: Any, at: int, what: str, seed: int) -> None:
            more = (3, seed) if what == "produce" else (seed,)
            self.world.strata(name, day, at, lambda: getattr(self.world, what)(day, *more))

        @rule(name=OURS, day=ANY_DAY, at=REQUEST, other=OURS)
        def overlapped(self, name: str, day: Any, at: int, other: str) -> None:
            self.world.strata(name, day, at, lambda: self.world.strata(other, day))

        @rule(day=ANY_DAY, count=st.integers(2, 12), seed=SEED)
        def put_in_archive(self, day: Any, count: int, seed: int) -> None:
            self.world.put_in_archive(day, count, seed)

        @rule(day=ANY_DAY)
        def verify(self, day: Any) -> None:
            self.world.verify(day)

        @invariant()
        def holds(self) -> None:
            self.world.check()

        def teardown(self) -> None:
            note(self.world.state().decode())
            delete_indices(self.world.client, f"{self.world.stream.dataset.name}*")

    return Histories


def run(make_world: Any, examples: int, steps: int, derandomize: bool) -> None:
    run_state_machine_as_test(
        machine(make_world),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=derandomize,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_about_a_hundred_steps_lose_nothing(make_world: Any) -> None:
    run(make_world, examples=7, steps=14, derandomize=True)


@pytest.mark.long
@pytest.mark.timeout(2400)
@pytest.mark.parametrize(
    "examples",
    [pytest.param(8, id="hundreds"), pytest.param(120, id="thousands", marks=pytest.mark.exhaustive)],
)
def test_random_steps_lose_nothing(make_world: Any, examples: int) -> None:
    run(make_world, examples=examples, steps=25, derandomize=False)


def test_a_cycle_in_a_quiet_world_retires_what_expired(make_world: Any) -> None:
    world = make_world()
    for number, day in enumerate([*DAYS, TODAY]):
        world.produce(day, 10, number)
    world.strata("cycle", TODAY)
    assert set(world.look()) == {TODAY}
    assert set(world.retired) == set(DAYS)
    world.check()


def test_the_model_sees_a_loss(make_world: Any) -> None:
    world = make_world()
    world.produce(DAYS[0], 10, 1)
    world.strata("cycle", TODAY)
    (identity, *_) = world.stream.rows(DAYS[0])
    world.stream.drop_row(identity, DAYS[0])
    with pytest.raises(AssertionError, match="is only history now"):
        world.check()
