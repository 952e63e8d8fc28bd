"""The error that a person at the terminal sees when the embedded stack cannot do something."""

from __future__ import annotations


class StackError(Exception):
    """One or two sentences: what happened, to which thing, and the cure. Never shown with a traceback."""
