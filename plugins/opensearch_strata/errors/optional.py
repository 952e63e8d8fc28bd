"""Libraries that only some datasets need: imported where they are used, and a sentence where they are missing."""

from __future__ import annotations

from typing import Any

from opensearch_strata.errors import DefinitionError


def pyarrow_for(use: str, undone: str) -> Any:
    """The module ``pyarrow``, with those of its parts that we use.

    :param use: what needs it, as a sentence begins
    :param undone: what was not done without it, as half a sentence
    :raises DefinitionError: it is not installed
    """
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError as error:
        raise DefinitionError(
            f"{use} needs pyarrow, which cannot be imported ({error}). {undone}; install it: pip install "
            f"'opensearch-strata[parquet]'."
        ) from None
    return pyarrow
