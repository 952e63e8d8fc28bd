"""What happens to raw days once they are loaded and proven; separate, because the DAG file and the shell need it."""

from __future__ import annotations

from typing import Literal

Then = Literal["keep", "condense", "condense_and_drop"]
