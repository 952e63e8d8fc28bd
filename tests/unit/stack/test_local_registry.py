"""Jars and plugins from a Maven registry: a small real one on 127.0.0.1, asked over HTTP."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import time
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from local.errors import StackError
from local.places import cache_folder
from local.ports import free_port
from local.server import distribution
from local.server.maven import NotInRegistryError, Registry
from local.server.releases import USUAL, Release, chosen_release

RELEASE = Release(USUAL)
JOB_SCHEDULER, INDEX_MANAGEMENT = (
    f"org.opensearch.plugin:{name}:{RELEASE.plugin_version}"
    for name in (distribution.JOB_SCHEDULER, distribution.INDEX_MANAGEMENT)
)

POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>org.opensearch</groupId><artifactId>server</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.opensearch</groupId><artifactId>core</artifactId><version>1</version>
      <scope>compile</scope></dependency>
    <dependency><groupId>com.example</groupId><artifactId>codec</artifactId><version>2</version>
      <scope>runtime</scope><optional>true</optional></dependency>
    <dependency><groupId>com.example</groupId><artifactId>fixtures</artifactId><version>2</version>
      <scope>test</scope></dependency>
    <dependency><groupId>org.jspecify</groupId><artifactId>jspecify</artifactId><version>1</version>
      <scope>compile</scope></dependency>
  </dependencies>
</project>
"""
EMPTY_POM = "<project><groupId>org.opensearch</groupId><artifactId>core</artifactId><version>1</version></project>"


class Server:
    """A registry of files, and the paths it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        asked = self.asked

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                asked.append(self.path)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def put(self, coordinate: str, packaging: str, content: bytes) -> Path:
        group, name, version = coordinate.split(":")
        path = self.folder.joinpath(*group.split("."), name, version, f"{name}-{version}.{packaging}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.with_name(f"{path.name}.sha1").write_text(hashlib.sha1(content).hexdigest())
        return path

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    (tmp_path / "registry").mkdir()
    server = Server(tmp_path / "registry")
    monkeypatch.setenv("STRATA_MAVEN_REGISTRY", server.url)
    monkeypatch.setenv("STRATA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENSEARCH_PLUGINS_DIR", raising=False)
    yield server
    server.close()


@pytest.fixture
def registry(server: Server) -> Registry:
    return Registry(cache_folder() / "maven")


def plugin(name: str, opensearch_version: str = USUAL) -> bytes:
    """A zip as OpenSearch plugins are."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        descriptor = f"# Elasticsearch plugin descriptor file\nname={name}\nopensearch.version={opensearch_version}\n"
        archive.writestr("plugin-descriptor.properties", descriptor)
    return content.getvalue()


def test_ships_what_the_poms_of_opensearch_name(server: Server, registry: Registry) -> None:
    server.put("org.opensearch:server:1", "pom", POM.encode())
    server.put("org.opensearch:core:1", "pom", EMPTY_POM.encode())
    shipped = registry.shipped_with(["org.opensearch:server:1"])
    assert shipped == {"org.opensearch:server:1", "org.opensearch:core:1", "com.example:codec:2"}


def test_downloads_once(server: Server, registry: Registry) -> None:
    server.put("com.example:codec:2", "jar", b"bytes of a jar")
    for _ in range(2):
        (path,) = registry.fetch(["com.example:codec:2"])
        assert path.read_bytes() == b"bytes of a jar"
    assert len(server.asked) == 2  # the SHA-1 and the jar


def test_a_damaged_jar_is_refused_and_not_kept(server: Server, registry: Registry) -> None:
    server.put("com.example:codec:2", "jar", b"bytes of a jar").write_bytes(b"other bytes")
    with pytest.raises(StackError, match=r"codec-2\.jar does not have the SHA-1 .* nothing was kept"):
        registry.fetch(["com.example:codec:2"])
    assert not list(cache_folder().rglob("*codec*.jar"))


def test_what_the_registry_lacks_is_told_from_what_it_cannot_tell(
    server: Server, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotInRegistryError, match=r"codec-2\.jar"):
        registry.fetch(["com.example:codec:2"])
    monkeypatch.setenv("STRATA_MAVEN_REGISTRY", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StackError, match=r"did not answer .* STRATA_MAVEN_REGISTRY"):
        Registry(cache_folder() / "maven").fetch(["com.example:codec:2"])


def test_missing_index_management_is_remembered_for_a_day(
    server: Server, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    server.put(JOB_SCHEDULER, "zip", plugin("opensearch-job-scheduler"))
    caplog.set_level("INFO")
    assert set(distribution.plugin_zips(registry, RELEASE)) == {"opensearch-job-scheduler"}
    assert caplog.text.count("Index Management") == 1
    asked = len(server.asked)
    assert set(distribution.plugin_zips(registry, RELEASE)) == {"opensearch-job-scheduler"}
    assert len(server.asked) == asked  # nobody was asked again

    server.put(INDEX_MANAGEMENT, "zip", plugin("opensearch-index-management"))
    assert "opensearch-index-management" not in distribution.plugin_zips(registry, RELEASE)
    (remembered,) = cache_folder().glob("opensearch-index-management-*")
    yesterday = time.time() - 25 * 3600
    os.utime(remembered, (yesterday, yesterday))
    assert "opensearch-index-management" in distribution.plugin_zips(registry, RELEASE)


def test_a_release_without_plugins_starts_without_them(server: Server, registry: Registry) -> None:
    assert distribution.plugin_zips(registry, Release("3.8.0")) == {}
    server.put(JOB_SCHEDULER, "zip", plugin("opensearch-job-scheduler"))
    assert set(distribution.plugin_zips(registry, RELEASE)) == {"opensearch-job-scheduler"}


def test_a_release_that_the_registry_lacks_is_told(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSEARCH_VERSION", "3.99.0")
    monkeypatch.setattr(distribution, "server_folder", lambda: tmp_path)
    with pytest.raises(StackError, match=r"has no .*, which OpenSearch 3\.99\.0 needs.*OPENSEARCH_VERSION"):
        distribution.opensearch_home()
    assert not list(tmp_path.glob("*3.99*"))


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("newest", r"OPENSEARCH_VERSION is 'newest', which is not a release such as 3\.4\.0"),
        ("3.4", r"OPENSEARCH_VERSION is '3\.4', which is not a release such as"),
        ("2.18.0", r"OPENSEARCH_VERSION is 2\.18\.0, but the embedded server must be 2\.19 or newer"),
    ],
)
def test_a_version_that_is_no_known_release_is_refused(
    monkeypatch: pytest.MonkeyPatch, version: str, sentence: str
) -> None:
    monkeypatch.setenv("OPENSEARCH_VERSION", version)
    with pytest.raises(StackError, match=sentence):
        chosen_release()


def test_another_registry_is_asked_for_index_management_at_once(
    server: Server, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put(JOB_SCHEDULER, "zip", plugin("opensearch-job-scheduler"))
    distribution.plugin_zips(registry, RELEASE)
    server.put(INDEX_MANAGEMENT, "zip", plugin("opensearch-index-management"))
    monkeypatch.setenv("STRATA_MAVEN_REGISTRY", server.url.replace("127.0.0.1", "localhost"))
    assert "opensearch-index-management" in distribution.plugin_zips(Registry(cache_folder() / "maven"), RELEASE)


def test_own_zips_are_installed(
    server: Server,
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.put(JOB_SCHEDULER, "zip", plugin("opensearch-job-scheduler"))
    own = tmp_path / "own"
    own.mkdir()
    (own / f"im-{RELEASE.plugin_version}.zip").write_bytes(plugin("opensearch-index-management"))
    monkeypatch.setenv("OPENSEARCH_PLUGINS_DIR", str(own))
    caplog.set_level("INFO")
    zips = distribution.plugin_zips(registry, RELEASE)
    assert zips["opensearch-index-management"] == own / f"im-{RELEASE.plugin_version}.zip"
    assert "Index Management" not in caplog.text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (plugin("opensearch-index-management", "3.3.0"), r"was built for OpenSearch 3\.3\.0; .* Replace it"),
        (b"no zip at all", r"is not an OpenSearch plugin"),
    ],
)
def test_own_zips_that_would_stop_the_server_are_refused(
    server: Server, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, sentence: str
) -> None:
    (tmp_path / "wrong.zip").write_bytes(content)
    monkeypatch.setenv("OPENSEARCH_PLUGINS_DIR", str(tmp_path))
    with pytest.raises(StackError, match=rf"wrong\.zip {sentence}"):
        distribution.plugin_zips(registry, RELEASE)


def test_a_plugins_folder_that_is_none_is_told(
    server: Server, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSEARCH_PLUGINS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(StackError, match=r"OPENSEARCH_PLUGINS_DIR names .*nowhere, which is not a folder"):
        distribution.plugin_zips(registry, RELEASE)
