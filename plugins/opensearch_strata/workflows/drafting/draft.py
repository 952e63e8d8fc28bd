"""From the name of an index to the text of a dataset file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused
from opensearch_strata.workflows.drafting.choose import choose, definition
from opensearch_strata.workflows.drafting.observe import observe
from opensearch_strata.workflows.drafting.yaml_text import written

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def draft(client: OpenSearch, index: str) -> str:
    """Write the text of a dataset file that passes ``strata check``. Nothing in the cluster is changed.

    :param index: name of an existing raw day
    :raises DefinitionError: there is no such index, or the name stands for several
    :raises Refused: it is an alias or a data stream, it is closed or empty, or it cannot be a raw day
    """
    choices = choose(observe(client, index))
    try:
        Dataset.model_validate(definition(choices))
    except ValidationError as error:
        problems = "; ".join(f"{item['msg']}" for item in error.errors())
        raise Refused(f"No valid dataset could be drafted from {index} ({problems}). Nothing was written.") from None
    return written(choices)
