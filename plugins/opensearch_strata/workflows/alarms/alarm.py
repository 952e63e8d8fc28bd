"""An alarm: one cause, in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from opensearch_strata.definition.sections.notify import AlarmKind
from opensearch_strata.errors.printable import printable

_LONGEST = 2000  # characters of a sentence: a message is read on a phone
_LONGEST_SUBJECT = 100  # what SNS takes: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html


@dataclass(frozen=True)
class Alarm:
    """Something that does not pass by itself.

    :param kind: what it is about
    :param dataset: its name
    :param cause: what tells it from other alarms of the dataset, and stays the same as long as it lasts
    :param title: a few words, without the dataset
    :param sentence: what happened, to which day, index or object
    :param cure: what to do about it
    """

    kind: AlarmKind
    dataset: str
    cause: str
    title: str
    sentence: str
    cure: str

    @property
    def subject(self) -> str:
        """One line of printable ASCII of at most 100 characters, which is what every notifier takes."""
        text = printable(f"Strata: {self.dataset}: {self.title}").encode("ascii", "replace").decode()
        return text if len(text) <= _LONGEST_SUBJECT else f"{text[: _LONGEST_SUBJECT - 3]}..."

    def message(self, link: str) -> str:
        """What happened, what to do, and where to look, in a paragraph each.

        :param link: URL of the page that says more; empty if there is none
        """
        told = [printable(text) for text in (self.sentence, self.cure, link) if text]
        return "\n\n".join(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..." for text in told)
