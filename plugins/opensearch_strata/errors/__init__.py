"""The exceptions that every layer may raise, and the code that turns any failure into a sentence that is safe to show.

Knows the answers of OpenSearch and AWS; imports nothing else from the package.
"""

from __future__ import annotations


class StrataError(Exception):
    """Something cannot be done. The message is in whole sentences: what happened, to which thing, and what to do.

    Never retried unless it is a :class:`TransientError`.
    """


class DefinitionError(StrataError):
    """Something that a person wrote (a dataset, a connection, a parameter) cannot be used as it stands."""


class Refused(StrataError):  # noqa: N818 - reads as what happened
    """One of our own rules forbids it (poorer history, failed proof, inside the window). Nothing was changed."""


class TransientError(StrataError):
    """The next attempt may well succeed."""
