"""What the person at the terminal is told when the embedded stack cannot do something."""

from __future__ import annotations


class StackError(Exception):
    """One sentence (or two): what happened, to which thing, and the cure. Never shown with a traceback."""
