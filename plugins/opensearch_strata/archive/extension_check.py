"""Whether the formats and parsers of installed distributions are fit for use."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opensearch_strata.archive.decode.formats.installed import installed_format
from opensearch_strata.archive.parsers.installed import installed_parser
from opensearch_strata.definition.extensions import Kind, extensions
from opensearch_strata.errors import DefinitionError

_USES: Mapping[Kind, Callable[[str], object]] = {"format": installed_format, "parser": installed_parser}


def unfit_extensions() -> list[str]:
    """A sentence for each that is not; their code is imported for it."""
    told: list[str] = []
    for kind, use in _USES.items():
        try:
            names = list(extensions(kind))
        except DefinitionError as error:
            told.append(str(error))
            continue
        for name in names:
            try:
                use(name)
            except DefinitionError as error:
                told.append(str(error))
    return told
