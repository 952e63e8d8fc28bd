"""``strata backfill`` on a real node and an S3 beside it: what it prints and changes, its exit codes, Ctrl-C."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
import yaml
from opensearchpy import OpenSearch

from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.load.progress import Progress
from opensearch_strata.archive.planning.batches import PlanLimits
from opensearch_strata.archive.planning.plan import make_plan
from opensearch_strata.archive.targets import loading_settings
from opensearch_strata.cli.workers import Job, load_batches
from opensearch_strata.connections.processes import this_process
from opensearch_strata.errors import StrataError
from opensearch_strata.history.month.row_ids import RAW_UUID
from opensearch_strata.workflows.backfill.backfill import Backfill
from tests.archives import Archive, forget_ledger, held, intake_of, ledger_of, same
from tests.faults.proxy import Answer, FaultyProxy, Forward, Request
from tests.servers import recording_server
from tests.shell import Shell
from tests.streams import DAY, TYPES, Stream, dataset_of

NEXT = DAY + timedelta(days=1)

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture
def target(client: OpenSearch, shell: Shell, archive: Archive) -> Iterator[Stream]:
    """The dataset that the archive belongs to, known to the shell."""
    stream = shell.stream(intake=intake_of(archive.bucket), raw={"fields": TYPES})
    yield stream
    forget_ledger(client, stream.dataset.name)


def line(target: Stream, more: str = "") -> str:
    return f"backfill {target.dataset.name} --from {DAY} --to {DAY} {more}"


def settings_of(target: Stream) -> dict[str, Any]:
    index = target.dataset.raw_index(DAY)
    return dict(target.client.indices.get_settings(index=index)[index]["settings"]["index"])


def test_a_dry_run_shows_the_plan_and_writes_nothing(shell: Shell, target: Stream, archive: Archive) -> None:
    archive.fill(DAY)
    before = archive.contents()
    shown = shell.run(line(target)).stdout
    assert f"for {target.dataset.name}, {DAY} .. {DAY}" in shown
    assert "estimated disk in OpenSearch" in shown
    assert shown.splitlines()[-1] == "Nothing was loaded; add --apply to load."
    assert archive.contents() == before
    assert ledger_of(target.client, target.dataset.name) == []
    assert not target.exists()


def test_a_range_is_loaded_proven_and_left_out_the_next_time(shell: Shell, target: Stream, archive: Archive) -> None:
    sent = archive.fill(DAY)
    result = shell.run(line(target, "--apply"))
    assert result.stdout.splitlines()[-1] == (
        "Proven: 240 events read = 240 created + 0 already there + 0 of other days + 0 dead letters."
    )
    assert "Proof of the load: holds" in result.stdout
    assert "Loading 4 objects" in result.stderr
    assert same(held(target, DAY), sent)
    assert {row["kind"] for row in ledger_of(target.client, target.dataset.name)} == {"object"}
    again = shell.run(line(target, "--apply"))
    assert f"All 4 objects that may hold events of {DAY} are loaded already." in again.stdout.splitlines()
    assert again.stdout.splitlines()[-1] == result.stdout.splitlines()[-1]
    assert again.stderr == ""


def test_a_dry_run_says_what_becomes_of_the_days_also_when_nothing_is_left_to_load(
    shell: Shell, target: Stream, archive: Archive
) -> None:
    archive.fill(DAY)
    shell.run(line(target, "--apply"))
    told = " ".join(shell.run(line(target, "--then condense_and_drop")).stdout.split())
    assert f"every raw day of {DAY} is then condensed and proven, and those that have left the window" in told
    assert "ARE DELETED with everything in them, including what was there before this load" in told
    assert "then condensed and proven." in " ".join(shell.run(line(target, "--then condense")).stdout.split())
    assert target.exists()


def test_events_that_were_left_out_and_are_wanted_now_are_named_and_loaded(
    shell: Shell, target: Stream, archive: Archive
) -> None:
    def define(**intake: Any) -> None:
        dataset = dataset_of(target.dataset.name, intake=intake_of(archive.bucket, **intake), raw={"fields": TYPES})
        file = shell.folder / f"{dataset.name}.yaml"
        file.write_text(yaml.safe_dump(dataset.model_dump(mode="json")), "utf-8")

    archive.fill(DAY)
    define(skip=[{"field": "device", "in": ["d1"]}])
    done = shell.json(line(target, "--apply"))
    counts = done["proof"]["counts"]
    assert counts["unwanted"] == counts["filtered"] == 240 - counts["created"] > 0
    assert done["plan"]["estimate"]["unwanted"] == counts["unwanted"]
    target.client.indices.refresh(index="strata-ledger")
    assert not [warning for warning in shell.json("check")["warnings"] if "wanted now" in warning]
    define()
    (warning,) = [warning for warning in shell.json("check")["warnings"] if "wanted now" in warning]
    assert warning == (
        f"{target.dataset.name}: 4 objects of its archives were loaded by other rules of intake.keep and intake.skip, "
        f"which left out events that are wanted now. A backfill of the days that should have them loads them."
    )
    assert shell.json(line(target))["plan"]["lacking"]["objects"] == 4
    again = shell.json(line(target, "--apply"))["proof"]["counts"]
    assert (again["created"], again["existed"], again["unwanted"]) == (counts["unwanted"], counts["created"], 0)


def test_as_json(shell: Shell, target: Stream, archive: Archive) -> None:
    archive.fill(DAY)
    dry = shell.json(line(target))
    assert (dry["applied"], dry["proof"], dry["plan"]["to_load"]["objects"]) == (False, None, 4)
    assert dry["plan"]["estimate"]["documents"] == 240
    assert (dry["then"], shell.json(line(target, "--then condense"))["then"]) == ("keep", "condense")
    done = shell.json(line(target, "--apply --then condense"))
    assert done["proof"]["holds"] is True
    assert done["proof"]["counts"]["created"] == 240
    assert [(day["day"], day["outcome"]) for day in done["settled"]] == [(str(DAY), "condensed")]
    again = shell.json(line(target, "--apply"))
    assert (again["proof"]["holds"], again["plan"]["loaded_already"]["objects"]) == (True, 4)
    assert again["proof"]["counts"] == done["proof"]["counts"]


def test_days_are_condensed_and_dropped(shell: Shell, target: Stream, archive: Archive) -> None:
    archive.fill(DAY)
    span = f"backfill {target.dataset.name} --from {DAY} --to {NEXT} --apply"
    result = shell.run(f"{span} --then condense_and_drop")
    assert f"Settled days of {target.dataset.name}" in result.stdout
    assert f"{DAY}: dropped." in result.stderr
    assert "Deleted again, as no events came: 1 raw day." in result.stderr
    assert not target.exists()
    rows = target.rows()
    assert sum(row["transform._doc_count"] for row in rows.values()) == 240
    shell.run(f"{span} --then condense")
    assert target.exists()
    nameless = [{i: {**row, RAW_UUID: None} for i, row in found.items()} for found in (rows, target.rows())]
    assert nameless[0] == nameless[1]


def test_a_day_that_would_make_history_poorer_fails_and_stays(shell: Shell, target: Stream, archive: Archive) -> None:
    target.condensed(count=240)
    target.client.indices.delete(index=target.dataset.raw_index(DAY))
    rows = target.rows()
    archive.fill(DAY, count=100)
    result = shell.run(line(target, "--apply --then condense_and_drop"), 1)
    assert "make history poorer" in result.stderr
    assert result.stderr.splitlines()[-1] == (
        f"Error: Loaded and proven, but not settled (see above): {DAY}. These days stay raw."
    )
    assert target.rows() == rows
    assert len(held(target, DAY)) == 100


def test_what_does_not_fit_is_refused(
    shell: Shell, target: Stream, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.fill(DAY)
    monkeypatch.setattr("opensearch_strata.archive.planning.load_estimate.DISK_SHARE", 1e12)
    assert "With --apply, this would be refused. The documents need about" in shell.run(line(target)).stderr
    result = shell.run(line(target, "--apply"), 1)
    assert "Error: The documents need about" in result.stderr
    assert "Nothing was loaded." in result.stderr
    assert not target.exists()
    assert ledger_of(target.client, target.dataset.name) == []


def test_objects_in_an_archive_tier_are_refused_and_no_day_is_settled(
    shell: Shell, target: Stream, archive: Archive
) -> None:
    archive.fill(DAY)
    frozen = f"firehose/{DAY:%Y/%m/%d}/12/frozen"
    archive.s3.put_object(Bucket=archive.bucket, Key=frozen, Body=b"{}", StorageClass="GLACIER")
    dry = shell.run(line(target))
    assert "With --apply, this would be refused. 1 object of the range in an archive tier" in dry.stderr
    told = shell.run(line(target, "--apply --then condense_and_drop"), 1).stderr
    assert "Error: 1 object of the range in an archive tier" in told
    assert ledger_of(target.client, target.dataset.name) == []
    assert not target.exists()
    archive.s3.delete_object(Bucket=archive.bucket, Key=frozen)
    shell.run(line(target, "--apply"))
    archive.s3.put_object(Bucket=archive.bucket, Key=frozen, Body=b"{}", StorageClass="GLACIER")
    shell.run(line(target, "--apply --then condense_and_drop"), 1)  # nothing is left to load
    assert target.exists()


def test_what_firehose_could_not_deliver_is_named(shell: Shell, target: Stream, archive: Archive) -> None:
    archive.fill(DAY)
    failed = f"{archive.url}processing-failed/"
    key = f"firehose/processing-failed/{DAY:%Y/%m/%d}/12/x"
    archive.s3.put_object(Bucket=archive.bucket, Key=key, Body=b"{}")
    told = shell.run(line(target, "--apply")).stderr
    assert "Not loaded: 1 object under error prefixes" in told
    assert f"as the source: {failed}." in told
    assert failed in shell.json(line(target))["plan"]["warning"]


def test_an_object_that_cannot_be_read_keeps_nothing_else_from_being_loaded(
    shell: Shell, target: Stream, archive: Archive
) -> None:
    sent = archive.fill(DAY)
    key = f"firehose/{DAY:%Y/%m/%d}/12/garbage"
    archive.s3.put_object(Bucket=archive.bucket, Key=key, Body=bytes(range(256)) * 100)
    result = shell.run(line(target, "--apply"), 1)
    assert "objects in quarantine (1):" in result.stderr
    assert key in result.stderr
    assert "NOT proven" in result.stderr
    assert same(held(target, DAY), sent)
    archive.s3.delete_object(Bucket=archive.bucket, Key=key)
    shell.run(line(target, "--apply"))


def test_dead_letters_are_named(shell: Shell, target: Stream, archive: Archive) -> None:
    sent = archive.fill(DAY)
    moment = sent[-1]["@timestamp"]
    archive.put([*sent[:3], {"@timestamp": moment, "device": "d9", "temperature": "warm"}], "other")
    shown = shell.run(line(target, "--apply")).stdout
    assert f"The dead letters are in {archive.url}dead-letters/, each with its reason" in " ".join(shown.split())
    assert "+ 1 dead letter. Dead letters: 1 rejected by OpenSearch, the first: OpenSearch answered 400" in shown


@pytest.mark.long
def test_progress_on_a_terminal_is_a_bar(shell: Shell, target: Stream, archive: Archive) -> None:
    archive.fill(DAY)
    ours, theirs = pty.openpty()
    process = shell.start(line(target, "--apply --json"), stdout=subprocess.PIPE, stderr=theirs)
    process.communicate(timeout=60)
    os.close(theirs)
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    assert process.returncode == 0, shown
    assert f"Loading {target.dataset.name}" in shown
    assert "objects 4 of 4" in shown


# --- Interrupted


def test_ctrl_c_gives_everything_back_and_the_next_call_completes(
    shell: Shell, target: Stream, archive: Archive
) -> None:
    sent = archive.fill(DAY)
    begun, go_on = Event(), Event()

    def slow(request: Request, forward: Forward) -> Answer:
        answer = forward(request)  # the documents are there, and nobody has said so
        if request.path == "/_bulk":
            begun.set()
            go_on.wait(20)
        return answer

    with FaultyProxy(shell.url) as proxy:
        proxy.add(slow)
        process = shell.start(line(target, "--apply"), proxy.url, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert begun.wait(60)
        assert settings_of(target)["refresh_interval"] == "-1"
        process.send_signal(signal.SIGINT)
        go_on.set()
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted." in told
    assert "you can run the same command again" in told
    assert "refresh_interval" not in settings_of(target)
    rows = ledger_of(target.client, target.dataset.name)
    assert {(row["kind"], row["state"]) for row in rows} == {("object", "failed")}
    result = shell.run(line(target, "--apply"))
    assert "Proven: 240 events read = 0 created + 240 already there" in result.stdout
    assert same(held(target, DAY), sent)


class Batches:
    """A plan of several batches, prepared for processes."""

    def __init__(self, shell: Shell, target: Stream, archive: Archive) -> None:
        self.client, self.dataset = target.client, target.dataset
        ledger = Ledger(self.client, self.dataset.name)
        limits = PlanLimits(batch_bytes=1)
        plan = make_plan(archive.s3, self.client, self.dataset, archive.url, DAY, DAY, ledger, limits)
        self.ref = Backfill(self.client, self.dataset).write(plan)
        self.owner = f"test/{self.dataset.name}"
        self.job = Job(shell.url, None, self.dataset, self.ref, self.owner)

    def load(self, on_progress: Any) -> list[str]:
        """Load by two processes."""
        Backfill(self.client, self.dataset).prepare(self.ref, self.owner)
        try:
            return load_batches(self.job, 2, on_progress)
        finally:
            Backfill(self.client, self.dataset).end(self.owner)


def test_several_processes_load_what_one_would(shell: Shell, target: Stream, archive: Archive) -> None:
    sent = archive.fill(DAY, objects=6)
    batches = Batches(shell, target, archive)
    assert batches.ref.batches == 6
    seen: dict[int, Progress] = {}
    assert batches.load(lambda number, progress: seen.update({number: progress})) == []
    assert sorted(seen) == list(range(6))
    assert {progress.events for progress in seen.values()} == {40}
    assert Backfill(batches.client, batches.dataset, lambda: archive.s3).prove(batches.ref).holds
    assert same(held(target, DAY), sent)


@pytest.mark.long
def test_processes_say_which_objects_failed(shell: Shell, target: Stream, archive: Archive) -> None:
    sent = archive.fill(DAY, objects=4)
    batches = Batches(shell, target, archive)
    gone = min(archive.contents())
    archive.s3.delete_object(Bucket=archive.bucket, Key=gone)
    (failure,) = batches.load(lambda *_: None)
    assert f"{gone} is gone" in failure
    assert len(held(target, DAY)) == 180
    assert same([*held(target, DAY), *sent[:60]], sent)


@pytest.mark.long
def test_processes_are_interrupted_and_hand_their_objects_back(shell: Shell, target: Stream, archive: Archive) -> None:
    sent = archive.fill(DAY, objects=4)
    batches = Batches(shell, target, archive)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batches.load(interrupted)
    states = {row["state"] for row in ledger_of(target.client, target.dataset.name) if row["kind"] == "object"}
    assert "running" not in states
    assert "refresh_interval" not in settings_of(target)
    shell.run(line(target, "--apply"))
    assert same(held(target, DAY), sent)


def test_a_process_that_is_killed_ends_the_load(
    shell: Shell, target: Stream, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.fill(DAY, objects=4)
    batches = Batches(shell, target, archive)
    started: list[Any] = []
    begin = subprocess_context().Process.start

    def noted(process: Any) -> None:
        begin(process)
        started.append(process)

    monkeypatch.setattr(subprocess_context().Process, "start", noted)

    def kill(*_: Any) -> None:
        for process in started:
            process.kill()

    with pytest.raises(StrataError, match=r"A process that loaded a batch was killed\. What it loaded is kept"):
        batches.load(kill)


def subprocess_context() -> Any:
    import multiprocessing

    return multiprocessing.get_context("spawn")


def test_the_cause_is_told_even_if_settings_cannot_be_given_back(
    shell: Shell, target: Stream, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.fill(DAY)

    def fails(*_: Any) -> None:
        raise StrataError("No more documents are taken.")

    def blocked(_: Backfill, owner: str, **__: Any) -> list[str]:
        if owner.startswith("shell@"):  # not of the plan, which puts in order what others left
            raise StrataError("A block is set.")
        return []

    with monkeypatch.context() as patched:
        patched.setattr("opensearch_strata.cli.workers.load_batches", fails)
        patched.setattr("opensearch_strata.workflows.backfill.backfill.Backfill.end", blocked)
        told = shell.run(line(target, "--apply"), 1).stderr
    assert told.splitlines()[-2:] == [
        "The next run will restore the settings of the raw days. A block is set.",
        "Error: No more documents are taken.",
    ]
    (left,) = [row for row in ledger_of(target.client, target.dataset.name) if row["kind"] == "settings"]
    Backfill(target.client, target.dataset).end(left["users"][0]["owner"])


# --- Sentences


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--from 2024-05-06 --to 2024-05-06 --source s3://no-such-bucket-1/x/", "s3://no-such-bucket-1/x/"),
        ("--from 2024-05-06 --to 2024-05-06", "There are no objects to load for 2024-05-06. Listed: s3://"),
        ("--from 2024-05-07 --to 2024-05-06", "The last day, 2024-05-06, is before the first day, 2024-05-07"),
        ("--from 2024-05-06 --to 2994-05-06", "2994-05-06 is in the future; nothing was done."),
        ("--from 2024-05-06 --to 2994-05-06 --then condense", "2994-05-06 is not over in UTC"),
        ("--from 2024-05-06 --to 2024-05-06 --source logs/x", "'logs/x' is not an S3 URL; write it like s3://"),
    ],
)
def test_what_cannot_be_loaded(shell: Shell, target: Stream, options: str, sentence: str) -> None:
    told = shell.run(f"backfill {target.dataset.name} {options} --apply", 1).stderr
    assert told.startswith("Error: ")
    assert sentence in told
    assert not target.exists()


def test_an_unknown_dataset(shell: Shell) -> None:
    told = shell.run(f"backfill nothing --from {DAY} --to {DAY}", 1).stderr
    assert "No valid dataset is named 'nothing'" in told


def test_access_denied(shell: Shell, target: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    denied = recording_server.Answer(403, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
    with recording_server.serving(*[denied] * 3) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        told = shell.run(line(target, "--apply"), 1).stderr
    assert "AccessDenied to ListObjectsV2" in told
    assert "Allow s3:ListBucket" in told


# --- Runs that were killed


def test_a_rerun_on_the_machine_of_a_killed_run_waits_for_nobody(
    shell: Shell, target: Stream, archive: Archive
) -> None:
    """Killed without a word while a bulk request was under way: raw days registered, objects leased, for minutes."""
    sent = archive.fill(DAY)
    ledger = Ledger(target.client, target.dataset.name)
    ledger.ensure()
    machine, _, started = this_process().rpartition("/")
    dead = f"{machine}/{int(started) + 1}"
    loading_settings.prepare(target.client, ledger, target.dataset, [DAY, NEXT], "shell@killed", dead)
    plan = Backfill(target.client, target.dataset, lambda: archive.s3).plan(None, DAY, DAY)
    assert not target.exists(NEXT)  # empty, and of a dead run
    objects = [(listed.place, listed.size) for batch in plan.batches for listed in batch.objects]
    rows = ledger.claim(objects, plan.span, "shell@killed/0").claimed
    ledger.renew([replace(row, process=dead) for row in rows])
    began = time.monotonic()
    result = shell.run(line(target, "--apply"))
    assert time.monotonic() - began < 60
    assert "Proven" in result.stdout
    assert "waiting for" not in result.stderr
    assert same(held(target, DAY), sent)
