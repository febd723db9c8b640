"""Metrics, alerting rules and dashboard, with a real Prometheus."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client import generate_latest

from bootstrap.console import UserError
from tests.e2e.harness import wait_until
from tests.servers import Reply, serving
from tests.tools.test_status import GOOD, PART
from tools import debian_tools
from tools.prometheus import registry
from tools.restore_drill import free_port
from tools.status_model import Status

MONITORING = Path(__file__).parents[2] / "assets" / "monitoring"
RULES = MONITORING / "prometheus-rules.yaml"
DASHBOARD = MONITORING / "grafana-dashboard.json"
ALERTS = [rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
FULL = dataclasses.replace(GOOD, requests={"2xx": 900, "3xx": 50, "4xx": 9, "5xx": 0}, failed_sign_ins=1)
NOW = 1_800_000_000
OF_A_PART = ("OhifPartDown", "OhifPartRestarts", "OhifMemoryLow")
AT_ONCE = ("OhifFailedSignIns", "OhifCertificateEnds", "OhifBackupFailed", "OhifDiskLow")
"""Alerts that do not wait whether it lasts."""


@pytest.fixture(scope="module")
def prometheus() -> None:
    """Prometheus and its promtool."""
    try:
        debian_tools.ensure("prometheus")
    except UserError as error:
        pytest.skip(error.problem)


def metrics(status: Status) -> dict[str, float]:
    """The text format, by name and labels."""
    lines = generate_latest(registry(status, NOW)).decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def test_metrics_are_the_status() -> None:
    found = metrics(FULL)
    assert found['ohif_part_up{part="viewer",stack="dev",version="1"}'] == 1
    assert found['ohif_database_connections{database="orthanc-db",stack="dev"}'] == 21
    assert found['ohif_disk_free_bytes{stack="dev"}'] == 60e9
    assert found['ohif_backup_age_seconds{stack="dev"}'] == 5 * 3600
    assert found['ohif_recent_requests{stack="dev",status="2xx"}'] == 900
    assert found['ohif_status_time_seconds{stack="dev"}'] == NOW


def test_what_is_not_known_is_left_out() -> None:
    unknown = dataclasses.replace(FULL, certificate_days=None, backup_hours=None, backup_outcome=None, requests=None)
    names = " ".join(metrics(unknown))
    assert not [it for it in ("certificate", "backup", "requests") if it in names]


@pytest.mark.parametrize("file", [RULES, DASHBOARD], ids=lambda file: file.name)
def test_rules_and_dashboard_ask_for_metrics_that_exist(file: Path) -> None:
    known = {name.partition("{")[0] for name in metrics(FULL)}
    assert set(re.findall(r"\bohif_\w+", file.read_text())) <= known


SERIES: dict[str, tuple[list[str], list[str]]] = {
    "OhifStatusOld": (["status_time_seconds 0+0x240"], ["status_time_seconds 0+60x240"]),
    "OhifPartDown": (["part_up 0x240"], ["part_up 1x240"]),
    "OhifPartRestarts": (["part_restarts 0+1x240"], ["part_restarts 7x240"]),
    "OhifMemoryLow": (
        ["part_memory_bytes 97x240", "part_memory_limit_bytes 100x240"],
        ["part_memory_bytes 97x240", "part_memory_limit_bytes 0x240"],
    ),
    "OhifDatabaseConnections": (
        ["database_connections 55x240", "database_connections_limit 60x240"],
        ["database_connections 54x240", "database_connections_limit 60x240"],
    ),
    "OhifServerErrors": (
        ['recent_requests{status="5xx"} 20x240', 'recent_requests{status="2xx"} 900x240'],
        ['recent_requests{status="5xx"} 20x240', 'recent_requests{status="2xx"} 9000x240'],
    ),
    "OhifFailedSignIns": (["recent_failed_sign_ins 51x240"], ["recent_failed_sign_ins 50x240"]),
    "OhifCertificateEnds": (["certificate_days 13x240"], ["certificate_days 30x240"]),
    "OhifBackupFailed": (["backup_failed 1x240"], ["backup_failed 0x240"]),
    "OhifBackupOld": (["backup_age_seconds 130000x240"], ["backup_age_seconds 86400x240"]),
    "OhifDiskLow": (
        ["disk_free_bytes 9x240", "disk_size_bytes 100x240"],
        ["disk_free_bytes 11x240", "disk_size_bytes 100x240"],
    ),
    "OhifDiskFullSoon": (["disk_free_bytes 20000-1x240"], ["disk_free_bytes 20000-0x240"]),
}
"""By alert: series with which it fires, and similar ones with which it does not. A value each minute for four hours, in
the notation of promtool."""


def test_every_alert_has_series() -> None:
    assert set(SERIES) == set(ALERTS)


@pytest.mark.usefixtures("prometheus")
@pytest.mark.parametrize("fires", [True, False], ids=["fires", "is quiet"])
@pytest.mark.parametrize("alert", ALERTS)
def test_alert(alert: str, fires: bool, tmp_path: Path) -> None:
    labels = ['stack="dev"', *(['part="viewer"'] if alert in OF_A_PART else [])]
    if alert == "OhifDatabaseConnections":
        labels.append('database="orthanc-db"')
    series = []
    for text in SERIES[alert][0 if fires else 1]:
        name, values = text.split()
        metric, _, own = name.rstrip("}").partition("{")
        series.append({"series": f"ohif_{metric}{{{','.join([*labels, *filter(None, [own])])}}}", "values": values})
    case = {
        "interval": "1m",
        "input_series": series,
        # promtool prints what fires where nothing is expected to.
        "alert_rule_test": [{"eval_time": "2h", "alertname": alert}],
    }
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [case]}))
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode != 0) is fires, done.stdout + done.stderr
    for label in labels if fires else ():
        assert label in done.stdout + done.stderr


def test_a_real_prometheus_scrapes_and_alerts(prometheus: None, tmp_path: Path) -> None:
    bad = dataclasses.replace(
        FULL,
        parts=[dataclasses.replace(PART, state="exited")],
        certificate_days=3.0,
        backup_outcome="no space left on device",
        disk_free_gb=1.0,
        failed_sign_ins=99,
    )
    reply = Reply(body=generate_latest(registry(bad)).decode(), headers={"Content-Type": "text/plain; version=0.0.4"})
    with serving(lambda _: reply) as (address, _), running_prometheus(address, tmp_path) as prometheus_client:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            alerts = prometheus_client.get("/api/v1/alerts").json()["data"]["alerts"]
            states = {it["labels"]["alertname"]: it["state"] for it in alerts}
            if len(states) == len(AT_ONCE) + 1 and "pending" not in {states[name] for name in AT_ONCE}:
                break
            time.sleep(0.5)
        loaded = prometheus_client.get("/api/v1/rules").json()["data"]["groups"][0]["rules"]
    assert states == {**dict.fromkeys(AT_ONCE, "firing"), "OhifPartDown": "pending"}
    assert [rule["name"] for rule in loaded if rule["health"] == "ok"] == ALERTS


@contextmanager
def running_prometheus(target: str, folder: Path) -> Iterator[httpx.Client]:
    """A Prometheus on loopback that asks `target` and the rules every second; a client of it."""
    file, port = folder / "prometheus.yml", free_port()
    scrape = {"job_name": "ohif", "static_configs": [{"targets": [target.removeprefix("http://")]}]}
    every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    file.write_text(yaml.safe_dump({"global": every, "rule_files": [str(RULES)], "scrape_configs": [scrape]}))
    command = (
        *("prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"),
        f"--web.listen-address=127.0.0.1:{port}",
    )
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", transport=httpx.HTTPTransport(retries=8), trust_env=False
        ) as asking:
            # It listens before it answers.
            wait_until(lambda: asking.get("/-/ready").status_code == 200, "Prometheus", 60)
            yield asking
    finally:
        process.terminate()
        process.wait()


def test_a_dashboard_of_grafana_is_json_with_a_query_in_each_panel() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({(it["gridPos"]["x"], it["gridPos"]["y"]) for it in panels}) == len(panels)
    assert all(target["expr"] for it in panels for target in it["targets"])
