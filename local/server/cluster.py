"""Several real OpenSearch nodes as one cluster, for what a single node cannot show: lagging copies and dying nodes."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from local.places import server_folder
from local.ports import free_port
from local.server.node import Member
from local.server.opensearch import EmbeddedOpenSearch


class EmbeddedCluster:
    """Nodes `node-0`, `node-1`, ... of one cluster, with small heaps; `node-0` manages it and must not be killed.

    >>> with EmbeddedCluster(2) as cluster:
    ...     client = OpenSearch(cluster.nodes[1].url)
    ...     cluster.nodes[1].kill()
    ...     cluster.nodes[1].start()
    """

    def __init__(self, size: int, heap: str = "400m") -> None:
        self._rooms = ExitStack()
        first = free_port()
        self.nodes: list[EmbeddedOpenSearch] = []
        for number in range(size):
            room = self._rooms.enter_context(tempfile.TemporaryDirectory(prefix="node-", dir=server_folder()))
            Path(room).chmod(0o755)  # the server's user must be able to enter it
            member = Member(f"node-{number}", first if number == 0 else free_port(), first)
            self.nodes.append(EmbeddedOpenSearch(folder=Path(room), heap=heap, member=member))

    def __enter__(self) -> EmbeddedCluster:
        try:
            for node in self.nodes:
                node.start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        for node in reversed(self.nodes):
            node.stop()
        self._rooms.close()
