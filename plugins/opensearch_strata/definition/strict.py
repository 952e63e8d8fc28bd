"""What all parts of a definition have in common. Pure."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Takes the keys it knows and values of their own type: ``true`` is no number, ``"60"`` is none either.

    What YAML reads as another type was a slip of the pen, and is not guessed at.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
