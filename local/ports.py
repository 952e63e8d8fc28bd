"""TCP ports of 127.0.0.1, the only address the stack listens on."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict, dataclass

from local.errors import StackError


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_taken(port: int) -> bool:
    """Whether something listens on the port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class Ports:
    """The ports of one stack."""

    opensearch: int
    aws: int
    airflow: int

    @classmethod
    def choose(cls, preferred: Ports | None = None) -> Ports:
        """Choose for each service $STRATA_<SERVICE>_PORT, else the preferred port unless taken, else a free one.

        Raises StackError if a port that the environment names is taken or is not a valid port.
        """
        usual = asdict(preferred) if preferred else {}
        return cls(**{name: _choose(name, usual.get(name)) for name in ("opensearch", "aws", "airflow")})


def _choose(service: str, preferred: int | None) -> int:
    variable = f"STRATA_{service.upper()}_PORT"
    if named := os.environ.get(variable):
        if not named.isdecimal() or not 0 < int(named) < 65536:
            raise StackError(f"{variable} is {named!r}, which is not a TCP port. Correct it or unset it.")
        if port_is_taken(int(named)):
            raise StackError(f"{variable} names port {named}, which is taken. Free it, or choose another port.")
        return int(named)
    if preferred is not None and not port_is_taken(preferred):
        return preferred
    return free_port()
