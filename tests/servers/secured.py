"""A node of its own with the security plugin: logins and roles, as on a cluster that is not for everybody.

The plugin comes from the Maven registry like the server. HTTP stays plain: what roles allow does not depend on TLS.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from local.places import cache_folder
from local.server import opensearch
from local.server.maven import Registry
from local.server.node import Member, NodeCommand, prepare_node
from local.server.releases import chosen_release
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from tests.servers.recording_server import self_signed

PASSWORD = "correct-Horse-battery-staple-1"
# The plugin takes it from the module rule-framework, which is in no registry and matters to workload groups alone.
_LENT = "org.apache.commons:commons-collections4:4.4"
_LENDER = b"rule-framework"

_CERTIFICATES = {
    f"plugins.security.ssl.transport.{name}_filepath": f"certs/localhost.{suffix}"
    for name, suffix in (("pemcert", "pem"), ("pemkey", "key"), ("pemtrustedcas", "pem"))
}
_SETTINGS = {
    **_CERTIFICATES,
    "plugins.security.ssl.http.enabled": False,
    "plugins.security.allow_default_init_securityindex": True,
    "plugins.security.audit.type": "noop",
    "plugins.security.restapi.roles_enabled": ["all_access"],
}
_MAPPINGS = {"_meta": {"type": "rolesmapping", "config_version": 2}, "all_access": {"backend_roles": ["admin"]}}


class SecuredNode(opensearch.EmbeddedOpenSearch):
    """A node whose ``url`` holds the login of an administrator, as the plugin's own examples name him."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, heap="512m")
        self.url = self.url_of("admin", "admin")

    def url_of(self, user: str, password: str) -> str:
        """The node's URL with a login."""
        return f"http://{user}:{password}@127.0.0.1:{self.port}"


@contextmanager
def secured_node(folder: Path) -> Iterator[SecuredNode]:
    """A started node.

    :param folder: an empty one, which the user who runs the server may enter
    """
    zips, config = folder / "zips", folder / "node" / "config"
    _bring_plugin(zips, config / "opensearch-security")
    (config / "certs").mkdir()
    self_signed(config / "certs")

    def prepare(place: Path, port: int, heap: str, member: Member | None = None) -> NodeCommand:
        command = prepare_node(place, port, heap, member)
        with (place / "config" / "opensearch.yml").open("a") as settings:
            settings.write(yaml.safe_dump(_SETTINGS))
        return command

    with (
        patch.dict("os.environ", OPENSEARCH_PLUGINS_DIR=str(zips)),
        patch.object(opensearch, "prepare_node", prepare),
        SecuredNode(folder / "node") as node,
    ):
        yield node


def _bring_plugin(zips: Path, config: Path) -> None:
    """The plugin's zip as a home takes it, and the files of its configuration where a node looks for them."""
    registry = Registry(cache_folder() / "maven")
    (jar,) = registry.fetch([_LENT])
    plugin = f"org.opensearch.plugin:opensearch-security:{chosen_release().plugin_version}"
    (source,) = registry.fetch([plugin], packaging="zip")
    zips.mkdir(parents=True)
    config.mkdir(parents=True)
    with zipfile.ZipFile(source) as published, zipfile.ZipFile(zips / source.name, "w") as changed:
        for entry in published.infolist():
            content = published.read(entry)
            if entry.filename.startswith("config/"):
                if not entry.is_dir():
                    (config / Path(entry.filename).name).write_bytes(content)
                continue
            if entry.filename == "plugin-descriptor.properties":
                content = content.replace(_LENDER, _LENDER + b";optional=true")
            changed.writestr(entry, content, zipfile.ZIP_STORED)  # the entry keeps its date: the home is found again
        changed.writestr(zipfile.ZipInfo(jar.name), jar.read_bytes())
    (config / "roles_mapping.yml").write_text(yaml.safe_dump(_MAPPINGS))


class User:
    """Somebody who has exactly one role."""

    def __init__(self, node: SecuredNode, name: str) -> None:
        self.url = node.url_of(name, PASSWORD)
        self._name = name
        self._admin = build_client(ClientSettings.from_url(node.url))
        self._ask("PUT", f"internalusers/{name}", {"password": PASSWORD})
        self.may({"cluster_permissions": []})
        self._ask("PUT", f"rolesmapping/{name}", {"users": [name]})

    def may(self, role: dict[str, Any]) -> None:
        """Give the role other permissions, which count at once for who asks from now on."""
        self._ask("PUT", f"roles/{self._name}", role)

    def close(self) -> None:
        """Leave no connection open."""
        self._admin.close()

    def _ask(self, method: str, path: str, body: dict[str, Any]) -> None:
        self._admin.transport.perform_request(method, f"/_plugins/_security/api/{path}", body=body)
