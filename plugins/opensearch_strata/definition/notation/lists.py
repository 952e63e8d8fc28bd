"""Lists that a person states as text: one value or several, the fields of a flow log. Pure."""

from __future__ import annotations

import re

_FLOW_FIELD = re.compile(r"\$\{([a-z][a-z0-9-]*)\}|([a-z][a-z0-9-]*)")


def flow_names(text: str) -> list[str]:
    """Field names of a flow log, from the format that AWS shows, ``${version} ${vpc-id}``, or from the names alone.

    :param text: names separated by spaces
    :raises ValueError: one is not a name, or occurs twice
    """
    found = [_FLOW_FIELD.fullmatch(word) for word in text.split()]
    names = [match[1] or match[2] for match in found if match]
    if not names or None in found or len(set(names)) != len(names):
        raise ValueError(
            f"{text!r} must be the format of the flow log as AWS shows it, each field once: "
            "${version} ${srcaddr} ${start}"
        )
    return names


def listed(stated: str | list[str] | None) -> list[str]:
    """One text, several or none, as a list.

    :param stated: the value as YAML has it
    """
    return [stated] if isinstance(stated, str) else stated or []
