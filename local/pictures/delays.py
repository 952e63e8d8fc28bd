"""The README's picture: departure delays in 2013, read from the history, with the raw window shaded.

`make picture` condenses the whole year on its own node, deletes the days that have left the window, and draws the rest.
"""

from __future__ import annotations

import io
import logging
import sys
from datetime import date, datetime, time, timedelta
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from opensearchpy import OpenSearch
from rich.logging import RichHandler

from local.pictures.files import write_png
from local.places import PROJECT
from local.samples.flights import flights_dataset, load_flights
from local.server.opensearch import EmbeddedOpenSearch
from opensearch_strata.definition.days import days_between, newest_expired
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.reader import read

log = logging.getLogger(__name__)

FIRST, LAST = date(2013, 1, 1), date(2013, 12, 31)
METRIC, STATS = "dep_delay", ("p50", "p90", "p99")


def delays(client: OpenSearch) -> pd.DataFrame:
    """Daily quantiles of 2013, from the history before the window and from raw days within it."""
    dataset = flights_dataset()
    load_flights(client, FIRST, LAST)
    for day in days_between(FIRST, newest_expired(LAST, dataset.raw.window_days)):
        condense(client, dataset, day, engine="search")
        if prove(client, dataset, day, engine="search").state != "verified":
            sys.exit(f"{dataset.raw_index(day)} is not verified; nothing was drawn.")
        client.indices.delete(index=dataset.raw_index(day))
    start, end = (datetime.combine(day, time.min, dataset.zone) for day in (FIRST, LAST + timedelta(days=1)))
    return read(client, dataset, start, end, metrics=[METRIC], stats=STATS, interval="1d")


def draw(frame: pd.DataFrame, target: Path) -> None:
    """Draw the quantiles and shade the days that come from raw documents."""
    mpl.use("Agg")
    figure, axes = plt.subplots(figsize=(10, 4.2), layout="constrained")
    for stat, color in zip(STATS, ("#1b6ca8", "#d9822b", "#a23b3b"), strict=True):
        axes.plot(frame.index, frame[f"{METRIC}.{stat}"], color=color, linewidth=1.2, label=stat)
    raw = frame.index[frame["source"] == "raw"]
    axes.axvspan(raw[0], raw[-1] + timedelta(days=1), color="#8a8a8a", alpha=0.15, linewidth=0, label="raw window")
    axes.set_title("Departure delay of New York's flights in 2013, by day", loc="left")
    axes.set_ylabel(f"delay in {frame.attrs['units'][METRIC]}, symmetric log scale")
    axes.set_yscale("symlog", linthresh=10)
    axes.set_yticks([-10, 0, 10, 30, 100, 300], labels=["-10", "0", "10", "30", "100", "300"])
    axes.set_ylim(-10, 1200)
    axes.set_xlim(frame.index[0], frame.index[-1])
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", ncols=4, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=120)
    write_png(drawn.getvalue(), target)


def main() -> None:
    """Write the picture to docs/images/."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[RichHandler(show_path=False)])
    logging.getLogger("opensearch").setLevel(logging.WARNING)
    target = PROJECT / "docs" / "images" / "delays-2013.png"
    with EmbeddedOpenSearch() as node, OpenSearch(node.url, timeout=60) as client:
        frame = delays(client)
    draw(frame, target)
    log.info("%s days in %s", len(frame), target)


if __name__ == "__main__":
    main()
