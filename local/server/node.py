"""Everything needed to start one OpenSearch node: its configuration, its Java, its user and its command line."""

from __future__ import annotations

import os
import pwd
import shlex
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.errors import StackError
from local.places import others_may_read, running_as_root
from local.server.distribution import opensearch_home
from local.server.java import java_for
from local.server.releases import chosen_release

# The same as in the distribution's config/jvm.options. Without the two percentages, garbage fills the heap until the
# circuit breaker refuses bulk requests.
JAVA_OPTIONS = (
    "-XX:+UseG1GC",
    "-XX:G1ReservePercent=25",
    "-XX:InitiatingHeapOccupancyPercent=30",
    "-Djava.awt.headless=true",
    "-Dfile.encoding=UTF-8",
    "-Djava.locale.providers=SPI,CLDR",
    "-Djna.nosys=true",
    "-Dio.netty.noUnsafe=true",
    "-Dio.netty.noKeySetOptimization=true",
    "-Dio.netty.recycler.maxCapacityPerThread=0",
    "-Dio.netty.allocator.numDirectArenas=0",
    "-Dlog4j.shutdownHookEnabled=false",
    "-Dlog4j2.disable.jmx=true",
    "--enable-native-access=ALL-UNNAMED",
    "-Dorg.apache.lucene.store.MMapDirectory.sharedArenaMaxPermits=1",
    "-Dopensearch.distribution.type=tar",
    "-Dopensearch.bundled_jdk=false",
)

LOG4J = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


@dataclass(frozen=True)
class Member:
    """A node's place in a cluster of several: its name, its port, and the port of the node that forms the cluster."""

    name: str
    transport_port: int
    first_transport_port: int

    @property
    def forms_cluster(self) -> bool:
        return self.transport_port == self.first_transport_port


@dataclass(frozen=True)
class NodeCommand:
    """How to start a prepared node. `user` is None if it runs as the current user."""

    argv: list[str]
    environment: dict[str, str]
    folder: Path
    user: pwd.struct_passwd | None

    @property
    def identity(self) -> dict[str, Any]:
        """The arguments of subprocess.Popen that make the child run as this user."""
        if self.user is None:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}


def prepare_node(folder: Path, port: int, heap: str, member: Member | None = None) -> NodeCommand:
    """Write config/, data/ and tmp/ of a node to `folder` and return the node's command. Raises StackError.

    `member` is None for a node that is a cluster by itself.
    """
    release = chosen_release()
    home = opensearch_home()
    java = java_for(release)
    user = _server_user()
    for path in (folder, *(folder / name for name in ("config", "data", "tmp"))):
        path.mkdir(parents=True, exist_ok=True)
    (folder / "config" / "log4j2.properties").write_text(LOG4J)
    (folder / "config" / "opensearch.yml").write_text(_settings(folder, port, member))
    if user is not None:
        _hand_over(folder, user)
    argv = [
        str(java),
        f"-Xms{heap}",
        f"-Xmx{heap}",
        *JAVA_OPTIONS,
        *release.java_options,
        *shlex.split(os.environ.get("OPENSEARCH_JAVA_OPTS", "")),
        f"-Djava.io.tmpdir={folder / 'tmp'}",
        f"-Djna.tmpdir={folder / 'tmp'}",
        f"-XX:ErrorFile={folder / 'tmp' / 'java-error.log'}",
        f"-Dopensearch.path.home={home}",
        f"-Dopensearch.path.conf={folder / 'config'}",
        "-cp",
        f"{home}/lib/*",
        "org.opensearch.bootstrap.OpenSearch",
    ]
    environment = {"HOSTNAME": socket.gethostname(), "PATH": os.defpath, "LANG": "C.UTF-8"}
    return NodeCommand(argv, environment, folder, user)


def _settings(folder: Path, port: int, member: Member | None) -> str:
    return (
        f"cluster.name: strata-embedded\n{_alone() if member is None else _together(member)}"
        f"network.host: 127.0.0.1\nhttp.port: {port}\n"
        f"path.data: {folder / 'data'}\npath.logs: {folder / 'tmp'}\npath.repo: {folder / 'snapshots'}\n"
        "bootstrap.system_call_filter: false\ncluster.routing.allocation.disk.threshold_enabled: false\n"
    )


def _alone() -> str:
    return "node.name: embedded\ndiscovery.type: single-node\ntransport.port: 0\n"


def _together(member: Member) -> str:
    """Only the first node manages the cluster, so that the death of any other node needs no election."""
    roles = "[cluster_manager, data, ingest]" if member.forms_cluster else "[data, ingest]"
    return (
        f"node.name: {member.name}\nnode.roles: {roles}\ntransport.port: {member.transport_port}\n"
        f"discovery.seed_hosts: ['127.0.0.1:{member.first_transport_port}']\n"
        + (f"cluster.initial_cluster_manager_nodes: [{member.name}]\n" if member.forms_cluster else "")
    )


def _server_user() -> pwd.struct_passwd | None:
    if not running_as_root():
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError as error:
        raise StackError(
            "OpenSearch refuses to run as root, and there is no user `nobody` to run it as. "
            "Add that user, or run this command as an ordinary user."
        ) from error


def _hand_over(folder: Path, user: pwd.struct_passwd) -> None:
    if not others_may_read(folder.parent):
        raise StackError(
            f"{folder} is below a folder that the user `{user.pw_name}`, who runs OpenSearch when root starts it, "
            "may not enter. Choose another folder, or give access with chmod o+rx."
        )
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
