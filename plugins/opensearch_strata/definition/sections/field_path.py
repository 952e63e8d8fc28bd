"""Paths of the fields of documents, as a definition names them. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

SERVER_FIELDS = frozenset(
    {
        "_id",
        "_index",
        "_source",
        "_routing",
        "_ignored",
        "_seq_no",
        "_primary_term",
        "_version",
        "_field_names",
        "_tier",
    }
)
"""https://docs.opensearch.org/latest/field-types/metadata-fields/index/, and the parts of a document's version."""


def _is_of_documents(field: str) -> str:
    if field in SERVER_FIELDS:
        raise ValueError(f"{field!r} is maintained by the server itself; name a field of the documents")
    if not all(part.strip() for part in field.split(".")):
        raise ValueError(f"{field!r} is not the path of a field; write names separated by dots, none of them blank")
    if "*" in field:
        raise ValueError(f"{field!r} contains a *, which searches take for a pattern; name a field without one")
    return field


FieldPath = Annotated[str, Field(min_length=1), AfterValidator(_is_of_documents)]
"""Path of a field, as documents and mappings name it. The server accepts spaces, digits, symbols and any script in a
name, and refuses a path with a blank part: https://docs.opensearch.org/latest/mappings/"""
