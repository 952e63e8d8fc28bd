"""What becomes of the records of one batch: lines in the answer, parts in the stream, or Firehose's error prefix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from opensearch_strata.aws_lambda.answer import MOST_LINES, Answer
from opensearch_strata.aws_lambda.parts import parts_of
from opensearch_strata.aws_lambda.resend import Outgoing, Resender
from opensearch_strata.aws_lambda.settings import Settings
from opensearch_strata.aws_lambda.source import Source, Unusable, data_of, partition_key_of
from opensearch_strata.aws_lambda.transform import Late, Transformer, partition_keys
from opensearch_strata.errors.amounts import counted

_MOST_PROBLEMS = 10


@dataclass
class Report:
    """What is told of a batch; never what a message says.

    :param ok: records in the answer; the others are ``dropped``, ``resent`` (also dropped for Firehose) or ``failed``
    :param late: those of the failed ones that could not be transformed in time
    :param events: number of events in all records that could be read
    :param unparsed: those of them whose lines are envelopes
    :param parts: records that were sent to the stream
    :param requests: requests in which they were sent
    :param problems: ``recordId`` and a sentence for the first failed records
    """

    records: int
    ok: int = 0
    dropped: int = 0
    resent: int = 0
    failed: int = 0
    late: int = 0
    events: int = 0
    unparsed: int = 0
    parts: int = 0
    requests: int = 0
    answer_bytes: int = 0
    problems: list[dict[str, str]] = field(default_factory=list)

    def fail(self, record: Mapping[str, Any], problem: str) -> None:
        """Count a failed record.

        :param record: of the invocation
        :param problem: a sentence
        """
        self.failed += 1
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append({"recordId": str(record["recordId"])[:100], "problem": problem})

    def as_dict(self) -> dict[str, Any]:
        """All figures by name."""
        return asdict(self)


class _Beyond(NamedTuple):
    """A record that does not fit into the answer, as the parts that the stream is to take."""

    place: int
    parts: list[Outgoing]


class Batch:
    """The records of one invocation.

    :param records: as Firehose gave them
    :param has_time: whether there is time to transform more of them; without it, the others fail
    """

    def __init__(
        self, source: Source, records: Sequence[Mapping[str, Any]], settings: Settings, has_time: Callable[[], bool]
    ) -> None:
        self._source = source
        self._records = records
        self._settings = settings
        self._transformer = Transformer(settings, MOST_LINES, has_time)
        self._answer = Answer([record["recordId"] for record in records], source.data)
        self.report = Report(len(records))

    def answered(self, resender: Resender) -> dict[str, Any]:
        """Transform all records, send again what the answer has no room for, and return the answer."""
        self._resend(list(self._transform()), resender)
        self.report.requests, self.report.answer_bytes = resender.requests, self._answer.bytes
        return self._answer.sent

    def _transform(self) -> Iterator[_Beyond]:
        """Transform all records; yield those for which the answer has no room."""
        for place, record in enumerate(self._records):
            try:
                parts = self._outcome(place, record)
            except Unusable as problem:
                self.report.late += isinstance(problem, Late)
                self.report.fail(record, str(problem))
            except Exception as error:  # noqa: BLE001 - whatever a record does, it must not cost its neighbours
                self.report.fail(record, f"It makes the function raise {type(error).__name__}.")
            else:
                if parts:
                    yield _Beyond(place, parts)

    def _outcome(self, place: int, record: Mapping[str, Any]) -> list[Outgoing]:
        """Transform a record; return the parts that are to be sent again, if the answer has no room for it."""
        data = data_of(record, self._source)
        made = self._transformer.transformed(data)
        self.report.events += made.events
        self.report.unparsed += made.unparsed
        if not made.events:
            self._answer.drop(place)
            self.report.dropped += 1
            return []
        if made.first is None:
            raise Unusable("None of its events has a message and a time.")
        if made.events == 1 and made.size > MOST_LINES:
            raise Unusable(f"Its only event becomes a line of {made.size:,} bytes, which no answer can hold.")
        keys = partition_keys(made.first, self._settings.partition_keys)
        is_taken = made.lines and self._answer.take(place, made.lines, keys)
        key = partition_key_of(record)
        parts = [] if is_taken else [Outgoing(part, key) for part in parts_of(made, data)]
        self.report.ok += bool(is_taken)
        return parts

    def _resend(self, beyond: Sequence[_Beyond], resender: Resender) -> None:
        problems = iter(resender.sent([part for one in beyond for part in one.parts]))
        for place, parts in beyond:
            refused = [(part, problem) for part, problem in zip(parts, problems, strict=False) if problem]
            sent = len(parts) - len(refused)
            self.report.parts += sent
            if not refused:
                self._answer.drop(place)
                self.report.resent += 1
            elif sent and self._is_taken(place, [part for part, _ in refused]):
                self.report.ok += 1
            else:
                twice = f" {counted(sent, 'part')} of {len(parts)} had been sent already, with the same event ids."
                self.report.fail(self._records[place], refused[0][1] + (twice if sent else ""))

    def _is_taken(self, place: int, parts: Sequence[Outgoing]) -> bool:
        """Put what the stream did not take into the answer, if there is room after all."""
        try:
            made = [self._transformer.transformed(part.data) for part in parts]
        except Exception:  # noqa: BLE001 - the record fails, as it would without this attempt
            return False
        first = next((one.first for one in made if one.first), None)
        if first is None or not all(one.lines for one in made):
            return False
        lines = b"".join(one.lines for one in made)
        return self._answer.take(place, lines, partition_keys(first, self._settings.partition_keys))
