"""The README's picture."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from local.pictures.delays import METRIC, STATS, draw


def test_the_picture_shows_quantiles_and_the_window(tmp_path: Path) -> None:
    times = pd.date_range("2013-01-01", periods=6, freq="D", tz="America/New_York", name="time")
    frame = pd.DataFrame({f"{METRIC}.{stat}": range(6) for stat in STATS}, index=times)
    frame["source"] = ["history"] * 4 + ["raw"] * 2
    frame.attrs["units"] = {METRIC: "min"}
    draw(frame, tmp_path / "delays.png")
    assert (tmp_path / "delays.png").read_bytes().startswith(b"\x89PNG")
