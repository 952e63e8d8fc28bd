"""What cloud-init writes when a machine starts: /var/log/cloud-init.log, and its own lines in cloud-init-output.log.

    2024-01-16 11:17:41,274 - handlers.py[DEBUG]: finish: init-network: SUCCESS: searching for network datasources
    Dec 18 15:46:23 cloud-init[3290]: util.py[DEBUG]: Cloud-init v. 19.3-3.amzn2 finished at …    (Amazon Linux 2)
    Cloud-init v. 23.4 running 'modules:final' at Tue, 16 Jan 2024 11:17:52 +0000. Up 21.43 seconds.

Formats: ``DEFAULT_LOG_FORMAT`` of cloudinit/log and ``FINAL_MESSAGE_DEF`` of cc_final_message.py. The rest of
cloud-init-output.log is what the commands printed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Entries, NearParser, Parsed
from opensearch_strata.archive.parsers.plain import plain_event
from opensearch_strata.archive.parsers.system.moments import Moments
from opensearch_strata.archive.timestamps import iso_text, read_iso
from opensearch_strata.definition.notation.time_formats import reads

_LINE = re.compile(
    r"(?:(?:\[CLOUDINIT\] ?)?(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) - "
    r"|(?P<minute>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d):(?P<second>[0-5]\d) (?:[^\s\[\]]{1,255} )?cloud-init\[\d{1,10}\]: )"
    r"(?P<filename>[^\s\[\]]{1,128})\[(?P<levelname>[A-Z]{1,20})\]: (?P<message>.*)",
    re.DOTALL,
)
_STAGE = re.compile(
    r"Cloud-init v\. (?P<version>\S{1,64}) (?:running '(?P<mode>[^'\n]{1,64})'|finished) at (?P<time>[^.\n]{1,40})\."
    r"(?: Datasource (?P<datasource>[^\n]{1,200}?)\.)? {1,4}Up (?P<up_seconds>\d{1,12}\.\d{1,6}) seconds\.?\s{0,4}"
)
_LONGEST_STAGE = 500
_RFC_2822 = reads("rfc2822")


class CloudInitEntries(Entries):
    """Decides which lines of a file begin an entry: in cloud-init.log, those with a time; in the other file, all."""

    def __init__(self) -> None:
        super().__init__(self._begins_entry)
        self._has_times = False

    def _begins_entry(self, line: str) -> bool:
        if _LINE.match(line):
            self._has_times = True
            return True
        return not self._has_times


def cloud_init(zone: ZoneInfo) -> NearParser:
    """Fields ``time``, ``filename``, ``levelname``, ``message``.

    A stage has ``time``, ``version``, ``mode``, ``datasource``, ``up_seconds`` and the whole ``message``. Any other
    line stays as it is.

    :param zone: zone of the times, which are local
    """
    find = cloud_init_lines(zone)
    return NearParser(
        lambda message, near: (find(message, near) if isinstance(message, str) else None) or plain_event(message)
    )


def cloud_init_lines(zone: ZoneInfo) -> Callable[[str, int | None], Parsed | None]:
    """Return a function that reads a text and a time at which it existed; None: it has no head of cloud-init.

    :param zone: zone of times that name none
    """
    moments = Moments("%b %d %H:%M", zone)

    def find(text: str, near: int | None) -> Parsed | None:
        line = _LINE.fullmatch(text.removesuffix("\n"))
        if line is None:
            return _stage(text, zone) if text.startswith("Cloud-init v. ") else None
        stated, minute, second, filename, level, said = line.groups()
        fields = {"filename": filename, "levelname": level, "message": said}
        if stated is None:
            moment = moments.moment(minute, int(second), 0, near)
            if moment is None and near is not None:
                return None
            shown, time = moment or (f"{minute}:{second}", None)
            return Parsed({"time": shown, **fields}, time)
        time = read_iso(stated.replace(",", "."), zone)
        return None if time is None else Parsed({"time": iso_text(time), **fields}, time)

    return find


def _stage(text: str, zone: ZoneInfo) -> Parsed | None:
    found = _STAGE.fullmatch(text) if len(text) <= _LONGEST_STAGE else None
    if found is None:
        return None
    time = _RFC_2822(found["time"], zone, None)
    if time is None:
        return None
    fields = {name: value for name, value in found.groupdict().items() if value is not None}
    stated = {"time": iso_text(time), "up_seconds": float(found["up_seconds"]), "message": text.rstrip()}
    return Parsed(fields | stated, time)
