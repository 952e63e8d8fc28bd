"""Lays out an OpenSearch home (lib/, modules/, plugins/) from the registry's jars, as the tar distribution would."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from local.errors import StackError
from local.maven import NotInRegistryError, Registry
from local.places import STACK, cache_folder, server_folder

VERSION = "3.4.0"
PLUGIN_VERSION = f"{VERSION}.0"
LAYOUT = 2
"""Raised whenever the code below lays out something else, so that older homes are not used again."""

SERVER = (
    "opensearch",
    "opensearch-plugin-classloader",
    "opensearch-agent-bootstrap",
    "opensearch-agent-policy",
)
JOB_SCHEDULER = f"org.opensearch.plugin:opensearch-job-scheduler:{PLUGIN_VERSION}"
INDEX_MANAGEMENT = f"org.opensearch.plugin:opensearch-index-management:{PLUGIN_VERSION}"
ASK_AGAIN_AFTER = 24 * 3600
"""Seconds for which "the registry has no Index Management" is remembered."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Module:
    """One folder below modules/. There is no analysis-common: the packaged Java lacks the Thai data it demands."""

    name: str
    artifacts: tuple[str, ...]
    classname: str
    extends: str = ""

    @property
    def coordinates(self) -> list[str]:
        return [f"org.opensearch.plugin:{artifact}:{VERSION}" for artifact in self.artifacts]

    @property
    def descriptor(self) -> str:
        """Text of plugin-descriptor.properties; the server accepts exactly these keys."""
        return (
            f"description={self.name}\nversion={VERSION}\nname={self.name}\nclassname={self.classname}\n"
            f"java.version=21\nopensearch.version={VERSION}\ncustom.foldername=\n"
            f"extended.plugins={self.extends}\nhas.native.controller=false\n"
        )


MODULES = (
    Module("transport-netty4", ("transport-netty4-client",), "org.opensearch.transport.Netty4ModulePlugin"),
    Module(
        "lang-painless",
        ("lang-painless", "opensearch-scripting-painless-spi"),
        "org.opensearch.painless.PainlessModulePlugin",
    ),
    Module("reindex", ("reindex-client",), "org.opensearch.index.reindex.ReindexModulePlugin"),
    Module(
        "ingest-common",
        ("ingest-common",),
        "org.opensearch.ingest.common.IngestCommonModulePlugin",
        "lang-painless",
    ),
    Module("mapper-extras", ("mapper-extras-client",), "org.opensearch.index.mapper.MapperExtrasModulePlugin"),
)


def opensearch_home() -> Path:
    """Path of a laid-out home, made when there is none yet for this version and set of plugins. Raises StackError."""
    if server_folder() != STACK:
        log.info(
            "User nobody, who runs OpenSearch for root, may not enter %s: it is kept in %s.", STACK, server_folder()
        )
    registry = Registry(cache_folder() / "maven")
    plugins = plugin_zips(registry)
    fingerprint = hashlib.sha256(repr((LAYOUT, MODULES)).encode())
    for plugin in plugins.values():
        fingerprint.update(plugin.read_bytes())
    home = server_folder() / f"opensearch-{VERSION}-{fingerprint.hexdigest()[:12]}"
    if not home.exists():
        _lay_out(home, registry, plugins)
    return home


def plugin_zips(registry: Registry) -> dict[str, Path]:
    """Zips to install by plugin name: job-scheduler, Index Management if to be had, and the user's own."""
    own = _own_zips()
    registered = registry.fetch([JOB_SCHEDULER], packaging="zip") + _index_management(registry)
    zips = {_plugin_name(path): path for path in registered}
    zips |= {name: path for name, path in own.items() if name not in zips}
    if "opensearch-index-management" not in zips:
        log.info(
            "Index Management %s is neither in the Maven registry nor in OPENSEARCH_PLUGINS_DIR: "
            "the node starts without transform jobs, and `engine: auto` condenses with `search`.",
            PLUGIN_VERSION,
        )
    return zips


def _index_management(registry: Registry) -> list[Path]:
    """The zip, if the registry has it. That it has not is remembered for a day, so that a warm start asks nobody."""
    missed = cache_folder() / "index-management-not-in-registry"
    if (
        missed.exists()
        and missed.read_text() == registry.url
        and time.time() - missed.stat().st_mtime < ASK_AGAIN_AFTER
    ):
        return []
    try:
        return registry.fetch([INDEX_MANAGEMENT], packaging="zip")
    except NotInRegistryError:
        missed.write_text(registry.url)
    except StackError as error:
        log.info("%s Going on without Index Management.", error)
    return []


def _own_zips() -> dict[str, Path]:
    if not (chosen := os.environ.get("OPENSEARCH_PLUGINS_DIR")):
        return {}
    folder = Path(chosen).expanduser()
    if not folder.is_dir():
        raise StackError(f"OPENSEARCH_PLUGINS_DIR names {folder}, which is not a folder. Correct it or unset it.")
    return {_plugin_name(path): path for path in sorted(folder.glob("*.zip"))}


def _plugin_name(path: Path) -> str:
    """Name in the zip's descriptor, after checking that the plugin was built for this server."""
    try:
        with zipfile.ZipFile(path) as archive:
            lines = archive.read("plugin-descriptor.properties").decode().splitlines()
    except (zipfile.BadZipFile, KeyError) as error:
        raise StackError(f"{path} is not an OpenSearch plugin (no plugin-descriptor.properties). Remove it.") from error
    descriptor = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    if descriptor.get("opensearch.version") != VERSION:
        raise StackError(
            f"{path} was built for OpenSearch {descriptor.get('opensearch.version')}; "
            f"the embedded server is {VERSION} and takes no other. Replace it by the {PLUGIN_VERSION} zip."
        )
    return descriptor["name"]


def _lay_out(home: Path, registry: Registry, plugins: dict[str, Path]) -> None:
    """Builds the home beside its final place and renames it there, so that a home that exists is a whole one."""
    log.info("Laying out OpenSearch %s from packages", VERSION)
    server = registry.shipped_with(f"org.opensearch:{name}:{VERSION}" for name in SERVER)
    by_module = {module.name: registry.shipped_with(module.coordinates) for module in MODULES}
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=home.parent))
    try:
        _copy(registry.fetch(server), building / "lib")
        for module in MODULES:
            jars = by_module[module.name] - server - by_module.get(module.extends, set())
            _copy(registry.fetch(jars), building / "modules" / module.name)
            (building / "modules" / module.name / "plugin-descriptor.properties").write_text(module.descriptor)
        for empty in ("bin", "plugins"):  # the server insists on them
            (building / empty).mkdir()
        for name, path in plugins.items():
            with zipfile.ZipFile(path) as archive:
                archive.extractall(building / "plugins" / name)
        open_to_others(building)
        building.rename(home)
    except NotInRegistryError as missing:
        raise StackError(
            f"The Maven registry has no {missing}, which OpenSearch {VERSION} needs. "
            "Name a registry that mirrors Maven Central in STRATA_MAVEN_REGISTRY."
        ) from missing
    except OSError:
        if not home.exists():  # otherwise another process was faster, and its home is as good
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _copy(jars: list[Path], folder: Path) -> None:
    folder.mkdir(parents=True)
    for jar in jars:
        shutil.copyfile(jar, folder / jar.name)


def open_to_others(folder: Path) -> None:
    """Lets any user read what is in `folder`, whatever umask it was written under."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
