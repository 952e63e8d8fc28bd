"""The base of all parts of a definition. Pure."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Accepts only known keys, and only values of the right type: neither ``true`` nor ``"60"`` is a number.

    A value that YAML reads as another type is taken for a mistake; its meaning is not guessed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def demand(message: str) -> str:
    """What pydantic demands of a value, as what a sentence says of its key.

    :param message: of one of pydantic's errors, such as ``Input should be a valid integer``
    """
    return message.replace("Input should be", "must be")
