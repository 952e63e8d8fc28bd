"""Counts of things and sizes in bytes, written for people. Pure."""

from __future__ import annotations


def counted(number: int, thing: str, plural: str = "") -> str:
    """A number with its noun: ``1 object``, ``1,200 objects``.

    :param number: how many there are
    :param thing: the noun in the singular
    :param plural: the plural, if it is not formed by adding an s
    """
    return f"{number:,} {thing if number == 1 else plural or f'{thing}s'}"


def size(count: int) -> str:
    """A size in bytes, written with a unit that is a power of 1024.

    :param count: how many bytes
    """
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:,.0f} {unit}" if unit == "B" else f"{number:,.1f} {unit}"
        number /= 1024
    return f"{number:,.1f} TiB"
