"""The exceptions that every layer may raise, and what turns any failure into a sentence that is safe to show.

Knows OpenSearch's and AWS's answers; imports nothing else of the package.
"""

from __future__ import annotations


class StrataError(Exception):
    """Something cannot be done. The message is whole sentences: what happened, to which thing, what to do.

    Never tried again unless it is a :class:`TransientError`.
    """


class DefinitionError(StrataError):
    """What a person wrote (a dataset, a connection, a parameter) cannot be used as it stands."""


class Refused(StrataError):  # noqa: N818 - reads as what happened
    """A rule of ours says no (poorer history, proof failed, inside the window). Nothing was changed."""


class TransientError(StrataError):
    """It may well work at the next attempt."""
