"""How bodies are packed on their way to OpenSearch."""

from __future__ import annotations

import gzip

from isal import igzip

from opensearch_strata.connections.opensearch import ClientSettings, build_client
from tests.servers.recording_server import serving

BODY = b"".join(
    b'{"create":{"_index":"logs-2024.05.06","_id":"%d"}}\n{"device":"d%d","temperature":%d}\n' % (n, n % 7, n * n % 97)
    for n in range(2000)
)
HEADER_WITH_TIME = 10


def test_bodies_are_packed_at_level_1() -> None:
    with serving() as server:
        settings = ClientSettings.from_url(f"http://127.0.0.1:{server.port}", http_compress=True)
        with build_client(settings) as client:
            client.bulk(body=BODY)
    (sent,) = server.sent
    assert sent.headers["content-encoding"] == "gzip"
    assert gzip.decompress(sent.body) == BODY
    assert sent.body[HEADER_WITH_TIME:] == igzip.compress(BODY, compresslevel=1)[HEADER_WITH_TIME:]
    assert len(sent.body) > len(gzip.compress(BODY, 9)), "the test cannot tell the levels apart"
