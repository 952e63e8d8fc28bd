"""Params of a run as a checked form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from opensearch_strata.definition.strict_model import demand
from opensearch_strata.errors import DefinitionError

Form = TypeVar("Form", bound=BaseModel)


def checked_form(form: type[Form], params: Mapping[str, Any]) -> Form:
    """Build a form from the params of a run.

    :param params: name -> value
    :raises DefinitionError: there is an unknown key or a value that does not fit; one sentence for each
    """
    try:
        return form.model_validate(dict(params))
    except ValidationError as error:
        told = " ".join(_sentence(item) for item in error.errors())
    raise DefinitionError(f"{told} Nothing was read; correct this and trigger the DAG again.")


def _sentence(item: Any) -> str:
    name = ".".join(map(str, item["loc"]))
    match item["type"]:
        case "extra_forbidden":
            return f"{name}: this DAG has no such param."
        case "missing":
            return f"{name}: this param is missing."
        case "value_error":
            return f"{name}: {item['ctx']['error']}." if name else f"{item['ctx']['error']}."
    return f"{name}: {demand(item['msg'])} (is {item['input']!r})."
