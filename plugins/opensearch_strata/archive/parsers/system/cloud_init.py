"""What cloud-init writes when a machine starts: /var/log/cloud-init.log, and its own lines in cloud-init-output.log.

    2024-01-16 11:17:41,274 - handlers.py[DEBUG]: finish: init-network: SUCCESS: searching for network datasources
    Cloud-init v. 23.4 running 'modules:final' at Tue, 16 Jan 2024 11:17:52 +0000. Up 21.43 seconds.

Formats: ``DEFAULT_LOG_FORMAT`` of cloudinit/log and ``FINAL_MESSAGE_DEF`` of cc_final_message.py. The rest of
cloud-init-output.log is what the commands printed.
"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Entries, Message, Parsed, Parser
from opensearch_strata.archive.parsers.plain import plain_event
from opensearch_strata.archive.timestamps import iso_text, read_iso
from opensearch_strata.definition.notation.time_formats import reads

_LINE = re.compile(
    r"(?:\[CLOUDINIT\] ?)?(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) - (?P<filename>[^\s\[\]]{1,128})"
    r"\[(?P<levelname>[A-Z]{1,20})\]: (?P<message>.*)",
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


def cloud_init(zone: ZoneInfo) -> Parser:
    """Fields ``time``, ``filename``, ``levelname``, ``message``.

    A stage has ``time``, ``version``, ``mode``, ``datasource``, ``up_seconds`` and the whole ``message``. Any other
    line stays as it is.

    :param zone: zone of the times, which are local
    """

    def parse(message: Message) -> Parsed:
        found = cloud_init_line(message, zone) if isinstance(message, str) else None
        return found or plain_event(message)

    return parse


def cloud_init_line(text: str, zone: ZoneInfo) -> Parsed | None:
    """Read a line with a head of cloud-init; None: it has none.

    :param text: the message
    :param zone: zone of times that name none
    """
    line = _LINE.fullmatch(text.removesuffix("\n"))
    if line is None:
        return _stage(text, zone) if text.startswith("Cloud-init v. ") else None
    time = read_iso(line["time"].replace(",", "."), zone)
    return None if time is None else Parsed({**line.groupdict(), "time": iso_text(time)}, time)


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
