"""The reason for a death, from excerpts of what dead nodes and Airflow parts really wrote."""

from __future__ import annotations

import pytest

from local.node_log import failure_reason

PORT_TAKEN = """\
[2026-11-22T03:56:52,592][WARN ][o.o.b.BootstrapChecks    ] max file descriptors [20000] is too low
[2026-11-22T03:56:52,810][ERROR][o.o.b.OpenSearchUncaughtExceptionHandler] uncaught exception in thread [main]
org.opensearch.bootstrap.StartupException: BindHttpException[Failed to bind to 127.0.0.1:51757]; nested: BindException
Caused by: org.opensearch.http.BindHttpException: Failed to bind to 127.0.0.1:51757
\t... 6 more
Caused by: java.net.BindException: Address already in use
uncaught exception in thread [main]
BindHttpException[Failed to bind to 127.0.0.1:51757]; nested: BindException[Address already in use];
Likely root cause: java.net.BindException: Address already in use
\tat java.base/sun.nio.ch.Net.bind0(Native Method)
For complete error details, refer to the log at tmp/strata-embedded.log
"""

FOLDER_IN_USE = """\
uncaught exception in thread [main]
java.lang.IllegalStateException: failed to obtain node locks, tried [[data]] with lock id [0]
Likely root cause: java.io.IOException: failed to obtain lock on data/nodes/0
For complete error details, refer to the log at tmp/strata-embedded.log
"""

NO_MEMORY = """\
OpenJDK 64-Bit Server VM warning: INFO: os::commit_memory(0x00007e9524000000, 966367641600, 0) failed
#
# There is insufficient memory for the Java Runtime Environment to continue.
# An error report file with more information is saved as:
# tmp/java-error.log
"""

NO_SUCH_HEAP = """\
Invalid initial heap size: -Xmsbogus
Error: Could not create the Java Virtual Machine.
Error: A fatal exception has occurred. Program will exit.
"""

PYTHON = """\
Traceback (most recent call last):
  File "airflow/__main__.py", line 55, in main
    args.func(args)
ValueError: first of all
During handling of the above exception, another exception occurred:
sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database is locked
(Background on this error at: https://sqlalche.me/e/20/e3q8)
"""


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (
            PORT_TAKEN,
            "BindHttpException[Failed to bind to 127.0.0.1:51757]; nested: BindException[Address already in use]",
        ),
        (FOLDER_IN_USE, "IllegalStateException: failed to obtain node locks, tried [[data]] with lock id [0]"),
        (NO_MEMORY, "There is insufficient memory for the Java Runtime Environment"),
        (NO_SUCH_HEAP, "Invalid initial heap size: -Xmsbogus"),
        (PYTHON, "OperationalError: (sqlite3.OperationalError) database is locked"),
        (
            "some line\nPort 9200 is taken, so OpenSearch was not started.\n\n",
            "Port 9200 is taken, so OpenSearch was not started",
        ),
        ("", "it wrote nothing"),
    ],
)
def test_reason_is_the_telling_line(log: str, reason: str) -> None:
    assert failure_reason(log.splitlines()) == reason
