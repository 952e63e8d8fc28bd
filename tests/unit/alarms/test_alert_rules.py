"""The rules for alerts and the dashboard in the documents: about metrics that there are, and at the right time."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.places import PROJECT
from tests.metric_names import OPERATIONS, documented_metrics

DASHBOARD = json.loads((PROJECT / "deploy" / "grafana.json").read_text())
PARTS_OF_TIMES = ("_sum", "_count")
"""What statsd_exporter adds to the name of a time, next to its quantiles, which it forgets after ten minutes."""

DAY, HOUR = 24 * 15, 15  # samples: one each four minutes
UNPROVEN, DOCUMENTS = "cycle_unproven_days", "cycle_documents"
NIGHTS = f"_x{HOUR} 240x{DAY} 480x{DAY} 720x{DAY} 960x{DAY}"
"""A counter of a new dataset whose cycle runs each night: it is there from the first run on, and is 240 at once."""


def rules() -> str:
    """The rules as they are in the document."""
    found = re.search(r"^```yaml alerts\n(.*?)^```", OPERATIONS.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def expressions() -> dict[str, str]:
    """What each alert, each target of a panel and the choice of datasets ask Prometheus for."""
    found = {rule["alert"]: rule["expr"] for rule in yaml.safe_load(rules())["groups"][0]["rules"]}
    for panel in DASHBOARD["panels"]:
        found |= {f"{panel['title']} {target['refId']}": target["expr"] for target in panel["targets"]}
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            found[variable["name"]] = variable["query"]["query"]
    return found


@pytest.mark.parametrize(("place", "expression"), expressions().items(), ids=str)
def test_every_alert_and_panel_is_about_a_metric_of_the_table(place: str, expression: str) -> None:
    """As Prometheus names it, through statsd_exporter or a collector of OpenTelemetry."""
    table = {f"airflow_{name.replace('.', '_')}": kind for name, kind in documented_metrics().items()}
    named = re.findall(r"airflow_\w+(?:\(_total\)\?)?", expression)
    assert named
    for name in named:
        if name.endswith("(_total)?"):
            assert table[name.removesuffix("(_total)?")] == "counter"
        elif name.endswith(PARTS_OF_TIMES):
            assert table[name.rpartition("_")[0]] == "time"
        else:
            assert table[name] == "gauge"  # a counter has two names, and quantiles of a time are forgotten


def test_every_alert_says_of_which_dataset_it_is_and_stands_once() -> None:
    (group,) = yaml.safe_load(rules())["groups"]
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"])
    for rule in group["rules"]:
        assert "{{ $labels.dataset }}" in rule["annotations"]["summary"]


def test_every_panel_has_a_place_an_id_and_the_chosen_source_and_datasets() -> None:
    panels = DASHBOARD["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    for panel in panels:
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${source}"}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in panel["targets"]:
            names = len(re.findall(r"airflow_\w+", target["expr"]))
            assert target["expr"].count('dataset=~"$dataset"') == names, panel["title"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


CASES: dict[str, tuple[str, dict[str, str], dict[str, bool]]] = {
    "what is lost": ("StrataHistoryIsLost", {"audit_lost": "0x15 1x60", "audit_would_be_lost": "0x75"},
                     {"30m": False, "2h": True}),
    "what would be lost": ("StrataHistoryIsLost", {"audit_lost": "0x75", "audit_would_be_lost": "2x75"}, {"2h": True}),
    "a late proof": ("StrataProofIsLate", {"cycle_lag": "10800x15 50000x60"}, {"30m": False, "2h": True}),
    "days that stay unproven": ("StrataDaysAreUnproven", {UNPROVEN: f"0x{HOUR} 2x{3 * DAY}"},
                                {"40h": False, "50h": True}),
    "a deletion that is refused": ("StrataDeletionRefused", {"cycle_refused_deletions": f"0x{HOUR} 1x{2 * DAY}"},
                                   {"50m": False, "2h": True, "30h": False}),
    "an old queue": ("StrataQueueIsOld", {"arrivals_oldest_message_age": "60x15 1000x60"},
                     {"65m": False, "90m": True}),
    "a new dataset and its first nights": ("StrataCycleIsMissing", {UNPROVEN: f"0x{4 * DAY}", DOCUMENTS: NIGHTS},
                                           {"8h": False, "20h": False, "37h": False, "60h": False}),
    "a cycle that does not run": ("StrataCycleIsMissing", {UNPROVEN: f"0x{4 * DAY}",
                                                           DOCUMENTS: f"0x{HOUR} 240x{DAY} 480x{3 * DAY}"},
                                  {"50h": False, "70h": True}),
    "a new dataset whose second cycle does not run": (
        "StrataCycleIsMissing", {UNPROVEN: f"0x{4 * DAY}", DOCUMENTS: f"240x{4 * DAY}"}, {"29h": False, "37h": True}),
    "metrics that are forgotten": ("StrataCycleIsMissing", {UNPROVEN: f"0x{DAY} stale", DOCUMENTS: f"240x{DAY} stale"},
                                   {"29h": False, "48h": True}),
}  # fmt: skip
"""What happens -> the alert, the metrics, and whether it is raised at a time."""


needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="there is no promtool of Prometheus")


def promtool(folder: Path, *words: str) -> None:
    """Run Prometheus' own checker on files of a folder; it must find nothing."""
    ran = subprocess.run(["promtool", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@needs_promtool
def test_prometheus_takes_the_rules_and_what_the_panels_ask_for(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(rules())
    promtool(tmp_path, "check", "rules", "rules.yaml")
    asked = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    recorded = [{"record": f"asked:{number}", "expr": expression} for number, expression in enumerate(asked)]
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    promtool(tmp_path, "check", "rules", "panels.yaml")


@needs_promtool
def test_the_panel_of_steps_shows_the_mean_of_a_day_long_after_the_quantiles_are_forgotten(tmp_path: Path) -> None:
    (panel,) = [one for one in DASHBOARD["panels"] if one["title"] == "How long each step takes"]
    labels = '{dataset="flights",step="condense"}'
    series = {"_sum": f"10x{DAY} 25x{DAY}", "_count": f"1x{DAY} 2x{DAY}"}
    inputs = [{"series": f"airflow_strata_step_duration{end}{labels}", "values": series[end]} for end in series]
    asked = panel["targets"][0]["expr"].replace("$dataset", "flights|orders")
    shown = {"expr": asked, "eval_time": "30h", "exp_samples": [{"labels": labels, "value": 15}]}
    test = {"interval": "4m", "input_series": inputs, "promql_expr_test": [shown]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"evaluation_interval": "4m", "tests": [test]}))
    promtool(tmp_path, "test", "rules", "test.yaml")


@needs_promtool
@pytest.mark.parametrize("suffix", ["", "_total"], ids=["statsd_exporter", "OpenTelemetry"])
@pytest.mark.parametrize("case", CASES)
def test_an_alert_is_raised_when_it_should_be_and_not_before(case: str, suffix: str, tmp_path: Path) -> None:
    alert, series, raised = CASES[case]
    (rule,) = [one for one in yaml.safe_load(rules())["groups"][0]["rules"] if one["alert"] == alert]
    kinds = documented_metrics()
    inputs = []
    for name, values in series.items():
        ends = suffix if kinds[f"strata.{name.replace('_', '.', 1)}"] == "counter" else ""
        inputs.append({"series": f'airflow_strata_{name}{ends}{{dataset="flights"}}', "values": values})
    summary = rule["annotations"]["summary"].replace("{{ $labels.dataset }}", "flights").replace("{{ $value }}", "2")
    expected: Any = [{"exp_labels": {"dataset": "flights"}, "exp_annotations": {"summary": summary}}]
    times = [{"eval_time": at, "alertname": alert, "exp_alerts": expected if is_raised else []}
             for at, is_raised in raised.items()]  # fmt: skip
    (tmp_path / "rules.yaml").write_text(rules())
    test = {"interval": "4m", "input_series": inputs, "alert_rule_test": times}
    plan = {"rule_files": ["rules.yaml"], "evaluation_interval": "4m", "tests": [test]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(plan))
    promtool(tmp_path, "test", "rules", "test.yaml")
