"""docker-compose.yaml: valid, pinned, private to this machine, without secrets, and the same as the embedded stack."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jsonschema
import pytest
import yaml

from local.airflow.environment import airflow_environment, keys_of
from local.places import PROJECT
from local.ports import Ports
from local.server.releases import USUAL

TEXT = (PROJECT / "docker-compose.yaml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SCHEMA = PROJECT / "tests" / "data" / "compose-spec.json"

VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<kind>:-|:\?)?(?P<word>[^}]*)\}")
PINNED = re.compile(r"[\w./-]+:\d+\.\d+(\.\d+)?(-[\w.]+)?")
SECRET_NAME = re.compile(r"PASSWORD|SECRET|KEY|TOKEN")

ONLY_EMBEDDED = {
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "no login there; in Docker Airflow makes one up",
}
ONLY_DOCKER = {
    "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "the embedded stack asks the API server about the scheduler",
    "STRATA_DASHBOARDS_URL": "the embedded stack has no Dashboards",
}

each_service = pytest.mark.parametrize("name", SERVICES)


def pin_of(package: str, file: str = "requirements.txt") -> str:
    """The version that a requirements file pins."""
    found = re.search(rf"^{package}(\[.*\])?==(\S+)$", (PROJECT / file).read_text(), re.MULTILINE)
    assert found, f"{package} is not pinned in {file}"
    return found[2]


def airflow_environments() -> list[dict[str, str]]:
    return [service["environment"] for name, service in SERVICES.items() if name.startswith("airflow-")]


def embedded_environment() -> dict[str, str]:
    with TemporaryDirectory() as home:
        environment = airflow_environment({}, Path(home), Ports(1, 2, 3), keys_of(Path(home)))
    prefixes = ("AIRFLOW__", "AIRFLOW_CONN_", "STRATA_")
    return {name: value for name, value in environment.items() if name.startswith(prefixes)}


def test_file_follows_the_compose_specification() -> None:
    schema = json.loads(SCHEMA.read_text())
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    assert [error.message for error in validator(schema).iter_errors(COMPOSE)] == []


def test_schema_rejects_what_compose_would_reject() -> None:
    """Guards the test above: the schema is strict about names."""
    broken = COMPOSE | {"services": {"x": {"image": "x:1.0", "healthchek": {}}}}
    with pytest.raises(jsonschema.ValidationError, match="healthchek"):
        jsonschema.validate(broken, json.loads(SCHEMA.read_text()))


def test_schema_is_the_one_whose_licence_is_noted() -> None:
    assert hashlib.sha256(SCHEMA.read_bytes()).hexdigest() in (SCHEMA.parent / "README.md").read_text()


def test_all_parts_are_there() -> None:
    airflow = {"init", "api-server", "scheduler", "dag-processor", "triggerer"}
    expected = {"postgres", "opensearch", "dashboards", "aws"} | {f"airflow-{part}" for part in airflow}
    assert SERVICES.keys() == expected


@each_service
def test_image_is_pinned_to_an_exact_tag(name: str) -> None:
    service = SERVICES[name]
    bases = re.findall(r"^FROM (\S+)", service.get("build", {}).get("dockerfile_inline", ""), re.MULTILINE)
    assert bool(bases) == name.startswith("airflow-")
    for image in [service["image"], *bases]:
        assert PINNED.fullmatch(image), image


def test_versions_are_those_of_the_requirements() -> None:
    airflow = pin_of("apache-airflow")
    assert SERVICES["airflow-scheduler"]["image"].endswith(f":{airflow}")
    assert f"FROM apache/airflow:{airflow}-python3.11\n" in TEXT.replace(" " * 6, "")
    assert SERVICES["aws"]["image"].endswith(f":{pin_of('moto', 'requirements-dev.txt')}")
    node = SERVICES["opensearch"]["image"].rpartition(":")[2]
    assert node == USUAL
    assert SERVICES["dashboards"]["image"].endswith(f":{node}")


@each_service
def test_service_has_a_health_check_or_ends_by_itself(name: str) -> None:
    conditions = {
        needs[name]["condition"]
        for needs in (service.get("depends_on", {}) for service in SERVICES.values())
        if name in needs
    }
    ends_by_itself = conditions == {"service_completed_successfully"}
    assert ends_by_itself == (SERVICES[name]["restart"] == "no")
    assert ends_by_itself != ("healthcheck" in SERVICES[name])


@each_service
def test_dependencies_wait_until_the_other_is_ready(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        assert how["condition"] in ("service_healthy", "service_completed_successfully")


@pytest.mark.parametrize("name", [name for name in SERVICES if name.startswith("airflow-")])
def test_airflow_waits_for_its_database(name: str) -> None:
    needs = SERVICES[name]["depends_on"]
    if name == "airflow-init":
        assert needs == {"postgres": {"condition": "service_healthy"}}
    else:
        assert needs["airflow-init"] == {"condition": "service_completed_successfully"}


@each_service
def test_ports_are_published_on_this_machine_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{STRATA_[A-Z]+_PORT:-\d+\}:\d+", port), port


def test_ports_are_chosen_by_the_variables_of_the_embedded_stack() -> None:
    named = set(re.findall(r"STRATA_([A-Z]+)_PORT", TEXT))
    assert named - {"DASHBOARDS"} == {field.name.upper() for field in fields(Ports)}


def test_every_variable_has_a_default_or_a_sentence() -> None:
    for match in VARIABLE.finditer(TEXT):
        assert match["kind"], f"{match[0]} is silently empty when it is not set"
        if match["kind"] == ":?":
            assert re.fullmatch(r"[A-Z].* .*\.", match["word"]), match[0]
        else:
            assert match["word"], match[0]
    left = VARIABLE.sub("", TEXT.replace("$$", ""))
    assert "$" not in left


def test_no_password_is_published() -> None:
    checked = 0
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if SECRET_NAME.search(name):
                match = VARIABLE.fullmatch(value)
                assert match, f"{name} must come from the environment"
                assert match["kind"] == ":?", f"{name} must have no default"
                checked += 1
            for password in re.findall(r"://\w+:(.*?)@", VARIABLE.sub("", value)):
                assert password == "", f"{name} holds a password"
            # The emulator checks no login, so its connection may show one.
            assert '"password"' not in value or name == "AIRFLOW_CONN_AWS_DEFAULT"
    assert checked >= 4


def test_example_of_the_environment_file_names_what_is_required_and_nothing_else() -> None:
    required = {match["name"] for match in VARIABLE.finditer(TEXT) if match["kind"] == ":?"}
    lines = (PROJECT / ".env.example").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert values == dict.fromkeys(required, "")


def test_airflow_parts_share_one_environment() -> None:
    first, *others = airflow_environments()
    assert all(other == first for other in others)


def test_environment_has_the_names_of_the_embedded_stack() -> None:
    docker, embedded = airflow_environments()[0].keys(), embedded_environment().keys()
    assert embedded - docker == ONLY_EMBEDDED.keys()
    assert docker - embedded == ONLY_DOCKER.keys()


@pytest.mark.parametrize(
    "name",
    [
        "AIRFLOW__CORE__LOAD_EXAMPLES",
        "AIRFLOW__CORE__EXECUTOR",
        "AIRFLOW__CORE__PARALLELISM",
    ],
)
def test_settings_that_do_not_depend_on_the_place_are_equal(name: str) -> None:
    assert airflow_environments()[0][name] == embedded_environment()[name]


@pytest.mark.parametrize(
    ("name", "service", "port"),
    [("AIRFLOW_CONN_OPENSEARCH_DEFAULT", "opensearch", 9200), ("AIRFLOW_CONN_AWS_DEFAULT", "aws", 5000)],
)
def test_connections_differ_in_the_address_alone(name: str, service: str, port: int) -> None:
    def without_address(connection: str) -> Any:
        loaded = json.loads(connection)
        loaded["extra"].pop("endpoint_url", None)
        return {key: value for key, value in loaded.items() if key not in ("host", "port")}

    docker = airflow_environments()[0][name]
    assert without_address(docker) == without_address(embedded_environment()[name])
    loaded = json.loads(docker)
    address = loaded["extra"].get("endpoint_url") or f"http://{loaded['host']}:{loaded['port']}"
    assert address == f"http://{service}:{port}"
    assert SERVICES[service]["ports"][0].endswith(f":{port}")


def test_project_is_mounted_read_only_and_installed_from_the_lock() -> None:
    service = SERVICES["airflow-scheduler"]
    environment = service["environment"]
    for folder in ("dags", "plugins", "include"):
        assert f"./{folder}:/opt/airflow/{folder}:ro" in service["volumes"]
        assert (PROJECT / folder).is_dir()
    assert environment["AIRFLOW__CORE__DAGS_FOLDER"] == "/opt/airflow/dags"
    assert environment["AIRFLOW__CORE__PLUGINS_FOLDER"] == "/opt/airflow/plugins"
    copied = re.findall(r"^COPY (\S+)", service["build"]["dockerfile_inline"], re.MULTILINE)
    assert copied == ["requirements.lock"]
    assert (PROJECT / copied[0]).is_file()
