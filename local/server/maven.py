"""Jars and plugin zips from the Maven registry, cached on disk. jgo reads the POMs, without Java or Maven."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import Artifact, Component, MavenContext, PythonResolver
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from local.errors import StackError

THREADS = 8
UNSHIPPED = {"org.jspecify:jspecify", "com.google.errorprone:error_prone_annotations"}
"""Annotation jars that the distribution leaves out; with them, the server would stop with "jar hell"."""


class NotInRegistryError(Exception):
    """The registry answered, but does not have the artifact."""


class VerifiedDownloads(PythonResolver):
    """jgo's resolver, but a file enters the cache only if it is complete and has the SHA-1 that the registry states."""

    def __init__(self) -> None:
        super().__init__()
        retry = Retry(total=4, connect=2, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
        self._session = requests.Session()
        for scheme in ("https://", "http://"):  # a mirror in a company's network may use plain HTTP
            self._session.mount(scheme, HTTPAdapter(max_retries=retry, pool_maxsize=THREADS))

    def download(self, artifact: Artifact) -> Path:
        repository = artifact.context.remote_repos["registry"]
        url = f"{repository}/{artifact.component.path_prefix.as_posix()}/{artifact.filename}"
        stated = self._fetch(f"{url}.sha1").decode().split()[0]
        content = self._fetch(url)
        if hashlib.sha1(content).hexdigest() != stated:
            raise StackError(
                f"{url} does not have the SHA-1 {stated} that the registry states; nothing was kept. Try again."
            )
        path = artifact.cached_path
        assert path is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as partial:
            partial.write(content)
        Path(partial.name).replace(path)
        return path

    def _fetch(self, url: str) -> bytes:
        try:
            response = self._session.get(url, timeout=60)
            if response.status_code == 404:
                raise NotInRegistryError(url.removesuffix(".sha1"))
            response.raise_for_status()
            return response.content
        except requests.RequestException as error:
            raise StackError(
                f"The Maven registry did not answer for {url} ({type(error).__name__}). "
                "Check the network, or name a mirror in STRATA_MAVEN_REGISTRY, and run the command again."
            ) from error


class Registry:
    """One Maven registry ($STRATA_MAVEN_REGISTRY, else jgo's default, Maven Central) behind a cache folder.

    Coordinates are strings of the form `group:name:version`.
    """

    def __init__(self, cache: Path) -> None:
        self.url = (os.environ.get("STRATA_MAVEN_REGISTRY") or MAVEN_CENTRAL_URL).rstrip("/")
        self._context = MavenContext(
            resolver=VerifiedDownloads(),
            repo_cache=cache,
            local_repos=[],
            remote_repos={"registry": self.url},
        )

    def fetch(self, coordinates: Iterable[str], packaging: str = "jar") -> list[Path]:
        """Paths of the artifacts, downloaded if the cache lacks them. Raises NotInRegistryError and StackError."""
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(lambda c: self._component(c).artifact(packaging=packaging).resolve(), coordinates))

    def shipped_with(self, coordinates: Iterable[str]) -> set[str]:
        """The coordinates and everything that OpenSearch's distribution ships for them.

        These are the compile and runtime dependencies, including optional ones, of `org.opensearch*` POMs. POMs of
        third parties are not followed, because OpenSearch's build names each of their jars itself.
        """
        found: set[str] = set()
        frontier = set(coordinates)
        with ThreadPoolExecutor(THREADS) as pool:
            while frontier:
                found |= frontier
                ours = (c for c in frontier if c.startswith("org.opensearch"))
                frontier = set().union(*pool.map(self._dependencies, ours)) - found
        return found

    def _dependencies(self, coordinate: str) -> set[str]:
        dependencies = self._context.pom_dependencies(self._component(coordinate).pom())
        return {
            f"{d.groupId}:{d.artifactId}:{d.version}"
            for d in dependencies
            if d.scope in (None, "compile", "runtime") and f"{d.groupId}:{d.artifactId}" not in UNSHIPPED
        }

    def _component(self, coordinate: str) -> Component:
        group, name, version = coordinate.split(":")
        return self._context.project(group, name).at_version(version)
