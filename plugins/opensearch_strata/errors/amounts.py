"""Numbers of things and of bytes, as a person reads them. Pure."""

from __future__ import annotations


def counted(number: int, thing: str, plural: str = "") -> str:
    """``1 object``, ``1,200 objects``.

    :param number: how many there are
    :param thing: in the singular
    :param plural: where it takes more than an s
    """
    return f"{number:,} {thing if number == 1 else plural or f'{thing}s'}"


def size(count: int) -> str:
    """Bytes, in powers of 1024.

    :param count: how many bytes
    """
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:,.0f} {unit}" if unit == "B" else f"{number:,.1f} {unit}"
        number /= 1024
    return f"{number:,.1f} TiB"
