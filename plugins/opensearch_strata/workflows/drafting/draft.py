"""From the name of an index to the text of a dataset file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused
from opensearch_strata.workflows.drafting.choose import choose, definition
from opensearch_strata.workflows.drafting.observe import observe
from opensearch_strata.workflows.drafting.text import written

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def draft(client: OpenSearch, index: str) -> str:
    """Text of a dataset file that ``strata check`` finds sound. Nothing in the cluster is changed.

    :param index: name of a raw day that is there
    :raises DefinitionError: there is no such index, or the name is one of several
    :raises Refused: it is an alias or data stream, is closed or empty, or cannot be a raw day
    """
    choices = choose(observe(client, index))
    try:
        Dataset.model_validate(definition(choices))
    except ValidationError as error:
        problems = "; ".join(f"{item['msg']}" for item in error.errors())
        raise Refused(f"No sound dataset could be drafted from {index} ({problems}). Nothing was written.") from None
    return written(choices)
