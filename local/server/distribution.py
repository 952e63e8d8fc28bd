"""Lays out an OpenSearch home (lib/, modules/, plugins/) from the registry's jars, like the tar distribution."""

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
from local.places import STACK, cache_folder, server_folder
from local.server.maven import NotInRegistryError, Registry
from local.server.releases import Release, chosen_release

LAYOUT = 3
"""Incremented whenever the code below changes the layout, so that older homes are not reused."""

JOB_SCHEDULER = "opensearch-job-scheduler"
INDEX_MANAGEMENT = "opensearch-index-management"
ASK_AGAIN_AFTER = 24 * 3600
"""Seconds for which we remember that the registry does not have a plugin."""

POLICY = """\
grant {
  permission java.io.FilePermission "/proc/sys/net/core/somaxconn", "read";
  permission java.lang.RuntimePermission "createClassLoader";
  permission java.lang.RuntimePermission "getClassLoader";
  permission java.lang.RuntimePermission "setContextClassLoader";
  permission java.net.NetPermission "getProxySelector";
  permission java.net.SocketPermission "*", "accept,connect";
  permission java.util.PropertyPermission "sun.nio.ch.bugLevel", "write";
};
"""
"""What modules of OpenSearch 2 may do under its security manager: their jars come without their own policy."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Module:
    """One folder below modules/. analysis-common is not among them: the packaged Java lacks the Thai data it needs."""

    name: str
    artifacts: tuple[str, ...]
    classname: str
    extends: str = ""

    def coordinates(self, release: Release) -> list[str]:
        """Coordinates of the jars in its folder, without dependencies."""
        return [f"org.opensearch.plugin:{artifact}:{release.version}" for artifact in self.artifacts]

    def descriptor(self, release: Release) -> str:
        """The text of plugin-descriptor.properties; the server accepts exactly these keys."""
        classname = self.classname.replace("ModulePlugin", "Plugin") if release.before_3 else self.classname
        return (
            f"description={self.name}\nversion={release.version}\nname={self.name}\nclassname={classname}\n"
            f"java.version={release.java_for_modules}\nopensearch.version={release.version}\ncustom.foldername=\n"
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
    """Path of a home, laid out first if there is none for this version and set of plugins. Raises StackError."""
    if server_folder() != STACK:
        log.info(
            "The user nobody, who runs OpenSearch for root, may not enter %s, so OpenSearch is kept in %s.",
            STACK,
            server_folder(),
        )
    release = chosen_release()
    registry = Registry(cache_folder() / "maven")
    plugins = plugin_zips(registry, release)
    fingerprint = hashlib.sha256(repr((LAYOUT, MODULES)).encode())
    for plugin in plugins.values():
        fingerprint.update(plugin.read_bytes())
    home = server_folder() / f"opensearch-{release.version}-{fingerprint.hexdigest()[:12]}"
    if not home.exists():
        _lay_out(home, release, registry, plugins)
    return home


def plugin_zips(registry: Registry, release: Release) -> dict[str, Path]:
    """Zips to install, by plugin name: job-scheduler and Index Management if available, and the user's own."""
    own = _own_zips(release)
    zips = {name: path for name in (JOB_SCHEDULER, INDEX_MANAGEMENT) if (path := _registered(registry, name, release))}
    zips |= {name: path for name, path in own.items() if name not in zips}
    if INDEX_MANAGEMENT not in zips:
        log.info(
            "Index Management %s is neither in the Maven registry nor in OPENSEARCH_PLUGINS_DIR: "
            "the node starts without transform jobs, and `engine: auto` condenses with `search`.",
            release.plugin_version,
        )
    return zips


def _registered(registry: Registry, name: str, release: Release) -> Path | None:
    """The plugin's zip, if the registry has it. If not, this is remembered, so that a warm start sends no request."""
    missed = cache_folder() / f"{name}-{release.plugin_version}-not-in-registry"
    if (
        missed.exists()
        and missed.read_text() == registry.url
        and time.time() - missed.stat().st_mtime < ASK_AGAIN_AFTER
    ):
        return None
    try:
        (path,) = registry.fetch([f"org.opensearch.plugin:{name}:{release.plugin_version}"], packaging="zip")
        return path
    except NotInRegistryError:
        missed.parent.mkdir(parents=True, exist_ok=True)
        missed.write_text(registry.url)
    except StackError as error:
        log.info("%s Continuing without the plugin %s.", error, name)
    return None


def _own_zips(release: Release) -> dict[str, Path]:
    if not (chosen := os.environ.get("OPENSEARCH_PLUGINS_DIR")):
        return {}
    folder = Path(chosen).expanduser()
    if not folder.is_dir():
        raise StackError(f"OPENSEARCH_PLUGINS_DIR names {folder}, which is not a folder. Correct it or unset it.")
    return {_plugin_name(path, release): path for path in sorted(folder.glob("*.zip"))}


def _plugin_name(path: Path, release: Release) -> str:
    """The name in the zip's descriptor, after checking that the plugin was built for this server."""
    try:
        with zipfile.ZipFile(path) as archive:
            lines = archive.read("plugin-descriptor.properties").decode().splitlines()
    except (zipfile.BadZipFile, KeyError) as error:
        raise StackError(f"{path} is not an OpenSearch plugin (no plugin-descriptor.properties). Remove it.") from error
    descriptor = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    if descriptor.get("opensearch.version") != release.version:
        raise StackError(
            f"{path} was built for OpenSearch {descriptor.get('opensearch.version')}; "
            f"the embedded server is {release.version} and accepts no other. "
            f"Replace it with the {release.plugin_version} zip."
        )
    return descriptor["name"]


def _lay_out(home: Path, release: Release, registry: Registry, plugins: dict[str, Path]) -> None:
    """Build the home next to its final place and rename it, so that an existing home is always complete."""
    log.info("Laying out OpenSearch %s from packages", release.version)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=home.parent))
    try:
        server = registry.shipped_with(release.server)
        by_module = {module.name: registry.shipped_with(module.coordinates(release)) for module in MODULES}
        _copy(registry.fetch(server), building / "lib")
        for module in MODULES:
            jars = by_module[module.name] - server - by_module.get(module.extends, set())
            folder = building / "modules" / module.name
            _copy(registry.fetch(jars), folder)
            (folder / "plugin-descriptor.properties").write_text(module.descriptor(release))
            if release.before_3:
                (folder / "plugin-security.policy").write_text(POLICY)
        for empty in ("bin", "plugins"):  # the server requires them
            (building / empty).mkdir()
        for name, path in plugins.items():
            with zipfile.ZipFile(path) as archive:
                archive.extractall(building / "plugins" / name)
        open_to_others(building)
        building.rename(home)
    except NotInRegistryError as missing:
        raise StackError(
            f"The Maven registry has no {missing}, which OpenSearch {release.version} needs. "
            "Name a registry that has it in STRATA_MAVEN_REGISTRY, or another release in OPENSEARCH_VERSION."
        ) from missing
    except OSError:
        if not home.exists():  # otherwise another process was faster, and its home is just as good
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _copy(jars: list[Path], folder: Path) -> None:
    folder.mkdir(parents=True)
    for jar in jars:
        shutil.copyfile(jar, folder / jar.name)


def open_to_others(folder: Path) -> None:
    """Let any user read everything in `folder`, whatever umask it was written under."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
