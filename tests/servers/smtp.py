"""A mail server for tests: takes every message and keeps it (RFC 5321, without extensions)."""

from __future__ import annotations

import socketserver
import threading
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Mail:
    """One message as it arrived.

    :param receivers: addresses of the envelope
    """

    receivers: tuple[str, ...]
    message: EmailMessage

    @property
    def html(self) -> str:
        """Its text."""
        (part,) = [part for part in self.message.walk() if part.get_content_type() == "text/html"]
        content: str = part.get_content()
        return content


class MailServer:
    """Listens on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        mails = self.mails

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                receivers: list[str] = []
                self.wfile.write(b"220 test\r\n")
                while line := self.rfile.readline():
                    verb = line[:4].upper()
                    if verb == b"RCPT":
                        receivers.append(line.partition(b"<")[2].partition(b">")[0].decode())
                    if verb == b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        lines = []
                        while (text := self.rfile.readline()) != b".\r\n":
                            lines.append(text.removeprefix(b".") if text.startswith(b"..") else text)
                        mails.append(Mail(tuple(receivers), message_from_bytes(b"".join(lines), policy=default)))
                    self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                    if verb == b"QUIT":
                        return

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
