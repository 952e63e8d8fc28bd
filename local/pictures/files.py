"""Pictures as small files."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

COLOURS = 160
"""Of a picture: enough for flat colours, letters and a heat map, and a third of the bytes."""


def write_png(picture: bytes, path: Path) -> Path:
    """Write a picture with fewer colours, and return its path.

    :param picture: a PNG
    """
    with Image.open(io.BytesIO(picture)) as opened:
        opened.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    return path
