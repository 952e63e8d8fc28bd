"""Formats and parsers by name: those of this package, and those that other distributions provide through entry points.

The metadata of installed distributions is read only for a name that is not ours, and foreign code runs only once it is
used.
https://packaging.python.org/en/latest/specifications/entry-points/
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from opensearch_strata.errors import DefinitionError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Kind = Literal["format", "parser"]

GROUPS: Mapping[Kind, str] = {"format": "opensearch_strata.formats", "parser": "opensearch_strata.parsers"}
"""Kind of extension -> the group of its entry points."""

BUILT_IN: Mapping[Kind, tuple[str, ...]] = {
    "format": (
        "auto", "cloudwatch", "firehose_errors", "cloudtrail", "parquet", "export_task", "json", "strata",
        "elasticdump", "lines",
    ),
    "parser": (
        "auto", "json", "raw", "mysql_general", "mysql_slow", "mysql_error", "mysql_audit", "lambda", "vpc_flow",
        "api_gateway", "api_gateway_execution", "postgresql", "syslog", "journald", "cloud_init", "container",
        "eks_control_plane",
        "alb", "alb_connection", "nlb", "clb", "cloudfront", "s3_access", "cloudtrail", "waf",
        "route53_resolver", "ocsf", "pattern",
    ),
}  # fmt: skip
"""Names in this package, which no other distribution can take."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True)
class Extension:
    """A format or a parser from another distribution.

    :param distribution: name and version, as ``pip list`` shows them
    :param entry: the entry point of its module
    """

    kind: Kind
    name: str
    distribution: str
    entry: EntryPoint

    @property
    def told(self) -> str:
        """Its name in sentences."""
        return f"the {self.kind} {self.name!r} of the distribution {self.distribution}"

    def loaded(self, functions: Sequence[str]) -> Any:
        """Import its module and return it.

        :param functions: names of the functions that the module must have
        :raises DefinitionError: it cannot be imported, or a function is missing
        """
        try:
            module = self.entry.load()
        except (Exception, SystemExit) as error:
            raise DefinitionError(
                f"{self._begin} cannot be imported: {self.entry.value} raises {error!r}. Nothing was read; repair or "
                f"uninstall the distribution."
            ) from error
        for name in functions:
            if not callable(getattr(module, name, None)):
                raise DefinitionError(
                    f"{self._begin} has no function {name!r} in {self.entry.value}; a {self.kind} needs "
                    f"{' and '.join(functions)}. Nothing was read; repair or uninstall the distribution."
                )
        return module

    @property
    def _begin(self) -> str:
        return self.told[0].upper() + self.told[1:]


@cache
def extensions(kind: Kind) -> Mapping[str, Extension]:
    """All installed extensions of a kind by name, sorted by name; read once per process.

    :raises DefinitionError: a name is one of ours, is taken twice, or is invalid
    """
    from importlib.metadata import entry_points

    found: dict[str, Extension] = {}
    for entry in sorted(entry_points(group=GROUPS[kind]), key=lambda entry: entry.name):
        owner = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "without a name"
        extension = Extension(kind, entry.name, owner, entry)
        if not _NAME.fullmatch(entry.name):
            problem = "has a name that does not consist of lower-case letters, digits and _"
        elif entry.name in BUILT_IN[kind]:
            problem = f"has the name of a {kind} that Strata itself provides"
        elif (other := found.get(entry.name)) and other.distribution != owner:
            problem = f"has the same name as one of the distribution {other.distribution}"
        else:
            found[entry.name] = extension
            continue
        raise DefinitionError(f"T{extension.told[1:]} {problem}. Nothing was read; rename or uninstall one of them.")
    return found


def extension(kind: Kind, name: str) -> Extension:
    """One installed extension.

    :param name: a name that is not one of ours
    :raises DefinitionError: none of this name is installed
    """
    if name not in extensions(kind):
        raise DefinitionError(_unknown(kind, name))
    return extensions(kind)[name]


def known(kind: Kind, name: str) -> str:
    """Return the name if a format or parser of this name exists.

    :param name: as a person wrote it
    :raises ValueError: none exists
    """
    if name in BUILT_IN[kind]:
        return name
    try:
        extension(kind, name)
    except DefinitionError as error:
        raise ValueError(str(error).rstrip(".")) from None
    return name


def _unknown(kind: Kind, name: str) -> str:
    names = ", ".join([*BUILT_IN[kind], *extensions(kind)])
    return (
        f"{name!r} is not an installed {kind}; installed are {names}. Correct the name, or install the distribution "
        f"that provides it (entry points {GROUPS[kind]})"
    )
