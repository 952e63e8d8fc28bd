"""Formats of other distributions, by entry point; what their code does wrong costs one object at most."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from opensearch_strata.archive.decode.byte_stream import Damaged
from opensearch_strata.archive.events import Broken, Event
from opensearch_strata.definition.extensions import Extension, extension, extensions
from opensearch_strata.errors import DefinitionError, StrataError


class InstalledFormat:
    """A format of another distribution.

    :raises DefinitionError: it cannot be imported, or lacks a function
    """

    def __init__(self, found: Extension) -> None:
        self._told = found.told
        self._module = found.loaded(("matches", "events"))

    def matches(self, head: bytes) -> bool:
        """Whether the content is of this format.

        :param head: its first bytes, up to 64 KiB
        :raises DefinitionError: its code fails
        """
        try:
            return bool(self._module.matches(head))
        except Exception as error:
            raise DefinitionError(
                f"What an object holds cannot be told: matches of {self._told} raises {error!r}. Mend or uninstall the "
                f"distribution, or name another format as intake.format."
            ) from error

    def events(self, blocks: Iterable[bytes]) -> Iterator[Event | Broken]:
        """Its events, as far as they are what events are.

        :param blocks: of the content, of any size
        :raises Damaged: as the blocks do, and where its code fails
        """
        source = _Watched(blocks)
        last = 0
        try:
            for item in self._module.events(iter(source)):
                if problem := _problem(item, last):
                    raise Damaged(f"T{self._told[1:]} gave {problem}; what came before was read.")
                last = item.record
                yield item
        except StrataError:
            raise
        except Exception as error:
            if error is source.failure:
                raise
            raise Damaged(f"T{self._told[1:]} raises {error!r}; what came before was read.") from error


class _Watched:
    """Blocks, and what failed while they were read, which is no fault of who reads them."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = blocks
        self.failure: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._blocks
        except BaseException as error:
            self.failure = error
            raise


def _problem(item: object, last: int) -> str:
    """What is wrong with something that a format gave; empty if nothing is."""
    if not isinstance(item, Event | Broken):
        return f"a {type(item).__name__} where an Event or Broken is expected"
    if type(item.record) is not int or item.record < last:
        return f"record {item.record!r} after record {last}, though numbers never fall"
    if not isinstance(item.raw, bytes):
        return f"a raw of record {item.record} that is not bytes"
    if isinstance(item, Event) and not isinstance(item.message, str | dict):
        return f"a message of record {item.record} that is neither text nor fields"
    if isinstance(item, Event) and item.time is not None and type(item.time) is not int:
        return f"a time of record {item.record} that is not epoch milliseconds"
    return ""


@cache
def installed_format(name: str) -> InstalledFormat:
    """One that is installed.

    :param name: of its entry point
    :raises DefinitionError: there is none, or it cannot be used
    """
    return InstalledFormat(extension("format", name))


def installed_formats() -> Mapping[str, InstalledFormat]:
    """All that are installed, in the order of their names.

    :raises DefinitionError: one cannot be used
    """
    return {name: installed_format(name) for name in extensions("format")}
