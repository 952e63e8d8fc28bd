"""Counts of things and sizes in bytes, written for people. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def counted(number: int, thing: str, plural: str = "") -> str:
    """A number with its noun: ``1 object``, ``1,200 objects``.

    :param number: how many there are
    :param thing: the noun in the singular
    :param plural: the plural, if it is not formed by adding an s
    """
    return f"{number:,} {thing if number == 1 else plural or f'{thing}s'}"


def size(count: int | None) -> str:
    """A size in bytes, written with a unit that is a power of 1024; ``not known`` is no size.

    :param count: how many bytes; None if that is not known
    """
    if count is None:
        return "not known"
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:,.0f} {unit}" if unit == "B" else f"{number:,.1f} {unit}"
        number /= 1024
    return f"{number:,.1f} TiB"


def total_size(counts: Iterable[int | None]) -> str:
    """The sum of sizes, written as :func:`size` does; ``at least`` what is known of it if some are not known.

    :param counts: bytes of each; None for those that are not known
    """
    every = list(counts)
    known = [count for count in every if count is not None]
    if len(known) == len(every):
        return size(sum(known))
    return f"at least {size(sum(known))}" if known else size(None)
