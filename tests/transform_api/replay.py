"""Replaying a recording of the real plugin: the same requests, and every difference in what comes back."""

from __future__ import annotations

import itertools
import json
import re
import time
from typing import Any

import urllib3

# These differ by nature: only their type is compared.
VARYING = {
    *("start_time", "updated_at", "enabled_at", "last_updated_at", "metadata_id", "index_uuid", "node"),
    *("took", "index_time_in_millis", "search_time_in_millis"),
}
# These start elsewhere but advance with every write, so their distance from the first one seen is compared.
COUNTERS = {"_version", "_seq_no"}
RECORDED_LEAD = 1500  # milliseconds from a recorded request to its start_time, unless its answer tells
SPEED = 5  # times faster than recorded
POLL_SECONDS = 0.01
PATIENCE_SECONDS = 30


class Replay:
    """One recording against one URL; `differences` are sentences that name the request and the place."""

    def __init__(self, url: str, recording: dict[str, Any]) -> None:
        self.differences: list[str] = []
        self._url = url
        self._exchanges = recording["exchanges"]
        self._http = urllib3.PoolManager()
        self._offsets: dict[str, int] = {}

    def run(self) -> list[str]:
        """Replay every request in order and return the differences."""
        for is_poll, group in itertools.groupby(self._exchanges, key=lambda exchange: "explain" in exchange):
            if is_poll:
                self._polls(list(group))
            else:
                for exchange in group:
                    self._exchange(exchange)
        return self.differences

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send one request; text goes as it is, anything else as JSON."""
        payload = body if body is None or isinstance(body, str) else json.dumps(body)
        answer = self._http.request(
            method, self._url + path, body=payload, headers={"content-type": "application/json"}
        )
        return answer.status, json.loads(answer.data)

    def _exchange(self, recorded: dict[str, Any]) -> None:
        request = recorded["request"]
        if "/_search" in request["path"]:
            self.send("POST", request["path"].partition("/_search")[0] + "/_refresh")
        body = _rescheduled(request["body"], recorded["response"])
        status, answer = self.send(request["method"], request["path"], body)
        if status != recorded["status"]:
            self.differences.append(f"{recorded['note']}: status {status}, recorded {recorded['status']}")
        self._compare(recorded["note"], recorded["response"], answer)

    def _polls(self, recorded: list[dict[str, Any]]) -> None:
        """Poll to the state the recording ends in; the statuses on the way must be the recorded ones."""
        (job_id,) = recorded[0]["explain"]
        observed: list[dict[str, Any]] = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not observed or _state(observed[-1]) != _state(recorded[-1]):
            if time.monotonic() > deadline:
                break
            observed.append(self._poll(job_id))
            time.sleep(POLL_SECONDS)
        expected, seen = _by_status(recorded), _by_status(observed)
        order = [[status for status, _ in polls] for polls in (expected, seen)]
        if order[0] != order[1]:
            self.differences.append(f"{job_id}: states {order[1]}, recorded {order[0]}")
            return
        for (status, poll), (_, got) in zip(expected, seen, strict=True):
            self._compare(f"{job_id} {status}", poll["explain"], got["explain"])
            # Two requests make a poll: the recorded run ended between them once, showing `init` of a disabled job.
            if status != "init" and poll["enabled"] != got["enabled"]:
                self.differences.append(f"{job_id} {status}: enabled {got['enabled']}")

    def _poll(self, job_id: str) -> dict[str, Any]:
        path = f"/_plugins/_transform/{job_id}"
        explain = self.send("GET", f"{path}/_explain")[1]
        return {"explain": explain, "enabled": self.send("GET", path)[1]["transform"]["enabled"]}

    def _compare(self, place: str, recorded: Any, got: Any, key: str = "") -> None:
        if isinstance(recorded, dict) and isinstance(got, dict):
            if recorded.keys() != got.keys():
                self.differences.append(f"{place}: keys {sorted(got)}, recorded {sorted(recorded)}")
            for name in recorded.keys() & got.keys():
                self._compare(f"{place}.{name}", recorded[name], got[name], name)
        elif isinstance(recorded, list) and isinstance(got, list):
            if len(recorded) != len(got):
                self.differences.append(f"{place}: {len(got)} elements, recorded {len(recorded)}")
            for index, (old, new) in enumerate(zip(recorded, got, strict=False)):
                self._compare(f"{place}[{index}]", old, new, key)
        elif not self._equal(key, recorded, got):
            self.differences.append(f"{place}: {got!r}, recorded {recorded!r}")

    def _equal(self, key: str, recorded: Any, got: Any) -> bool:
        if type(recorded) is not type(got):
            return False
        if key in VARYING:
            return True
        if key in COUNTERS:
            return bool(self._offsets.setdefault(key, recorded - got) == recorded - got)
        if key == "reason":
            recorded, got = (re.sub(r"current version \[\d+]", "", text) for text in (recorded, got))
        return bool(recorded == got)


def _rescheduled(body: Any, response: dict[str, Any]) -> Any:
    """The request body, its start_time ahead of now by the recorded time, but `SPEED` times nearer."""
    if not isinstance(body, dict):
        return body
    created = response.get("transform")
    lead = created["schedule"]["interval"]["start_time"] - created["updated_at"] if created else RECORDED_LEAD
    transform = dict(body["transform"])
    start_time = int(time.time() * 1000) + lead // SPEED
    transform["schedule"] = {"interval": {**transform["schedule"]["interval"], "start_time": start_time}}
    return {"transform": transform}


def _state(poll: dict[str, Any]) -> tuple[str | None, bool]:
    (explained,) = poll["explain"].values()
    metadata = explained["transform_metadata"]
    return (metadata["status"] if metadata else None), poll["enabled"]


def _by_status(polls: list[dict[str, Any]]) -> list[tuple[str | None, dict[str, Any]]]:
    """The statuses in the order they appeared: each with its first poll, the one it ends in with the last."""
    groups = itertools.groupby(polls, key=lambda poll: _state(poll)[0])
    firsts = [(status, next(group)) for status, group in groups]
    return [*firsts[:-1], (firsts[-1][0], polls[-1])]
