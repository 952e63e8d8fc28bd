"""Which index templates count for raw days now, and which would keep another one from counting. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Any

from opensearch_strata.archive.targets.templates.template_parts import lost, named, parts_of
from opensearch_strata.errors.printable import printable


@dataclass(frozen=True)
class Found:
    """An index template of the cluster.

    :param body: as the server returns it
    :param legacy: one of ``_template``, all of which count together, but only where no composable one matches
    """

    name: str
    body: Mapping[str, Any]
    legacy: bool = False

    @property
    def priority(self) -> int:
        """Of several composable templates that match a name, the one with the highest counts."""
        return int(self.body.get("priority", 0))

    def matched(self, names: Sequence[str]) -> list[str]:
        """Those of some names that it matches, in their order.

        :param names: of indices
        """
        # Most templates of a cluster are of other indices, which the text before the first asterisk shows.
        heads = [(pattern.partition("*")[0], pattern) for pattern in self.body["index_patterns"]]
        wanted = [pattern for head, pattern in heads if any(name.startswith(head) for name in names)]
        patterns = [re.compile(translate(pattern.replace("[", "[[]"))) for pattern in wanted]
        return [name for name in names if any(pattern.match(name) for pattern in patterns)]


@dataclass(frozen=True)
class Replaced:
    """A template that counts for raw days and would no longer do so.

    :param index: name of a raw day for which it counts
    :param parts: in words, what it sets and the new one does not
    """

    found: Found
    index: str
    parts: list[str]

    @property
    def sentence(self) -> str:
        """What would be lost, and how a person accepts that."""
        kind = "legacy index template" if self.found.legacy else "index template"
        name = printable(self.found.name)
        return (
            f"The {kind} {name} counts for raw days like {self.index}, and would not any more: they would lose what it "
            f"sets, {named(self.parts)}. Bring that about in another way, then add --replace {name}."
        )


def outranking(others: Sequence[Found], priority: int, names: Sequence[str]) -> Iterator[str]:
    """Sentences about composable templates that would count instead of a new one.

    :param others: composable templates without the one that the new one replaces
    :param priority: of the new one
    :param names: of all raw days
    """
    for other in others:
        if other.priority >= priority and (matched := other.matched(names)):
            yield (
                f"The index template {printable(other.name)} also matches {matched[0]} and has the priority "
                f"{other.priority}. Nothing was changed. Write this one with a higher --priority, or leave these "
                f"names out of the other one's index_patterns."
            )


def replaced_by(
    new: Mapping[str, Any], own: str, composable: Sequence[Found], legacy: Sequence[Found], names: Sequence[str]
) -> list[Replaced]:
    """The templates that count for raw days now and set something that they would lose.

    :param new: body of the template that is to be written
    :param own: its name
    :param names: of all raw days
    """
    left, counting = list(names), list[tuple[Found, str]]()
    for one in sorted(composable, key=lambda found: -found.priority):
        if matched := one.matched(left):
            counting.append((one, matched[0]))
            taken = set(matched)
            left = [name for name in left if name not in taken]
    others = [(one, index) for one, index in counting if one.name != own]
    others += [(one, matched[0]) for one in legacy if (matched := one.matched(left))]
    sets = parts_of(new)
    found = [Replaced(one, index, lost(parts_of(one.body), sets)) for one, index in others]
    return [one for one in found if one.parts]
