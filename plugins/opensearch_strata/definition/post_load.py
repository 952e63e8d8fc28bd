"""What may become of raw days once they are loaded and proven; apart, as the DAG file and the shell's help need it."""

from __future__ import annotations

from typing import Literal

Then = Literal["keep", "condense", "condense_and_drop"]
