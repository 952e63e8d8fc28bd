"""How a person asks for archived days. Kept apart because the DAG file and the shell's help need it; pure."""

from __future__ import annotations

ARCHIVE_SOURCE = "archive"
"""The source that stands for the dataset's own archive, as its ``archive:`` settings say."""

KEEP_DAYS = 7
"""For how many days a restored raw day is kept if nobody says otherwise."""
