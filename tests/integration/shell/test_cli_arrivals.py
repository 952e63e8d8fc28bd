"""``strata follow`` and ``strata arrivals``, typed and as a process that is stopped."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest

from opensearch_strata.workflows.arrivals import follow as follow_module
from tests.arrivals import ALL_DAYS, Inflow, Queues
from tests.faults.archives import INTAKE, cloudwatch, events, ndjson
from tests.faults.proxy import Answer, FaultyProxy, Forward, Request
from tests.faults.rules import hangs
from tests.shell import Shell
from tests.streams import DAY


@pytest.fixture
def followed(s3: Any, bucket: str, queues: Queues, shell: Shell, aws: None) -> Iterator[Inflow]:
    """A queue whose dataset the command knows."""
    intake = {**INTAKE, "source": f"s3://{bucket}/logs/", "queue": queues.arn}
    stream = shell.stream(raw={"window_days": ALL_DAYS}, intake=intake)
    queues.notify(s3, bucket)
    made = Inflow(s3, bucket, stream, queues)
    yield made
    made.forget_ledger()


def wait_for(what: Any, seconds: float = 60) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_it_loads_what_comes_until_sigterm_and_leaves_nothing_in_flight(followed: Inflow, shell: Shell) -> None:
    name = followed.dataset.name
    followed.put(cloudwatch(events(range(300))))
    process = shell.start(f"follow {name}", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: followed.queues.depth() == (0, 0))
    later = time.monotonic()
    followed.put(ndjson(range(300, 310)))
    wait_for(lambda: followed.queues.depth() == (0, 0))
    assert time.monotonic() - later < 15
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert f"Following {followed.queues.arn} for {name}." in err
    assert "Stopped. Every message that was received is either done and deleted, or back in the queue." in err
    (line,) = out.splitlines()
    assert re.match(
        r"[-\d]{10} [:\d]{8} UTC messages 2 \(deleted 2\); objects 2 loaded; events 310 created; "
        r"oldest message \d+ s; queue: 0 waiting, 0 in flight, 0 in the dead-letter queue; newest event 2024-05-06 ",
        line,
    )
    followed.assert_loaded(range(310))


def test_it_ends_although_an_object_hangs(
    followed: Inflow, shell: Shell, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second SIGTERM, as the first does not end it; twelve seconds later, it would do so itself."""
    held = followed.put(cloudwatch(events(range(100))))
    over, asked = Event(), Event()

    def hang(request: Request, forward: Forward) -> Answer:
        asked.set()
        return hangs(over)(request, forward)

    with FaultyProxy(s3_url) as between:
        between.add(hang, path=held.place.key)
        monkeypatch.setenv("AWS_ENDPOINT_URL", between.url)
        process = shell.start(f"follow {followed.dataset.name}", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert asked.wait(60)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=8)
        over.set()
    assert process.returncode == 130, err
    assert "Broken off before all that was in hand was loaded." in err
    wait_for(lambda: followed.queues.depth() == (1, 0), 10)  # its request for messages may live five seconds longer
    assert [row.state for row in followed.rows()] == ["failed"]
    drained = followed.drain()
    assert (drained.done, drained.deleted) == (1, 1), drained
    followed.assert_loaded(range(100))
    assert followed.queues.depth() == (0, 0)


def test_a_line_a_minute_as_json(followed: Inflow, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    followed.put(ndjson(range(10)))
    process = shell.start(f"follow {followed.dataset.name} --json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: followed.queues.depth() == (0, 0))
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    told = json.loads(out.splitlines()[-1])
    assert (told["messages"], told["done"], told["created"], told["waiting"], told["dead_letters"]) == (1, 1, 10, 0, 0)
    assert follow_module.MINUTE == 60


def test_the_state_of_the_queue(followed: Inflow, shell: Shell) -> None:
    name = followed.dataset.name
    followed.queues.send("what is this")
    assert shell.run(f"arrivals {name}").stdout.startswith(
        f"{name}: queue: 1 waiting, 0 in flight, 0 in the dead-letter queue; newest event none."
    )
    followed.queues.sqs.send_message(QueueUrl=followed.queues.letters, MessageBody="x")
    told = shell.json(f"arrivals {name}")
    assert (told["waiting"], told["dead_letters"], told["most_receives"], told["newest_event"]) == (1, 1, 5, None)
    assert "1 message in the dead-letter queue" in shell.run(f"arrivals {name}").stderr


def test_a_day_is_proven_over_all_its_objects_whoever_loaded_them(followed: Inflow, shell: Shell) -> None:
    name = followed.dataset.name
    listed = followed.put(cloudwatch(events(range(200))), "logs/2024/05/06/10/x")
    followed.drain()
    proven = shell.run(f"arrivals {name} --day {DAY}").stdout
    assert "Proven: 200 events read = 200 created + 0 already there + 0 of other days + 0 dead letters." in proven
    missed = followed.put(ndjson(range(200, 210)), "logs/2024/05/06/11/y")
    followed.queues.empty()
    time.sleep(1.1)  # S3 dates objects to the second, and those that come after the question are not part of it
    failed = shell.run(f"arrivals {name} --day {DAY}", exit_code=1)
    assert "NOT proven: objects that nobody loaded (1)" in failed.stderr
    assert missed.place.key in failed.stdout
    told = shell.json(f"arrivals {name} --day {DAY}", exit_code=1)
    assert (told["proof"]["holds"], told["day"]) == (False, str(DAY))
    assert listed.place.key not in failed.stderr


def test_a_day_without_objects_or_in_the_future_is_not_proven(followed: Inflow, shell: Shell) -> None:
    name, source = followed.dataset.name, followed.dataset.intake.source
    empty = shell.run(f"arrivals {name} --day {DAY}", exit_code=1)
    assert f"0 objects of {DAY} in {source}: nothing to prove." in empty.stderr
    assert "Proven" not in empty.stdout
    assert "is in the future" in shell.run(f"arrivals {name} --day 2999-01-01 --json", exit_code=1).stderr


def test_a_dataset_without_a_queue_is_refused_in_a_sentence(shell: Shell, aws: None) -> None:
    name = shell.stream().dataset.name
    for command in ("follow", "arrivals"):
        refused = shell.run(f"{command} {name}", exit_code=1)
        assert f"Dataset '{name}' has no queue. Set intake.queue" in refused.stderr
