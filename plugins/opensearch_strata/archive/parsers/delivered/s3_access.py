"""Server access logs of S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html.

Fields have the names of AWS's table for Athena, because the page itself only has headings:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-s3-access-logs-to-identify-requests.html.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.delivered.columns import Column, read_columns, request, text, whole, words_around
from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, Unreadable, text_of
from opensearch_strata.definition.notation.time_formats import reads

_KIND = "a line of an S3 access log"
_COLUMNS = (
    Column("bucketowner", text), Column("bucket_name", text), Column("requestdatetime", text),
    Column("remoteip", text), Column("requester", text), Column("requestid", text), Column("operation", text),
    Column("key", text), Column("request", request), Column("httpstatus", whole), Column("errorcode", text),
    Column("bytessent", whole), Column("objectsize", whole), Column("totaltime", whole),
    Column("turnaroundtime", whole), Column("referrer", text), Column("useragent", text), Column("versionid", text),
    Column("hostid", text), Column("sigv", text), Column("ciphersuite", text), Column("authtype", text),
    Column("endpoint", text), Column("tlsversion", text), Column("accesspointarn", text), Column("aclrequired", text),
    Column("sourceregion", text),
)  # fmt: skip
_LEAST = 18  # before 2019, a line ended with the version id
_BEFORE_USER_AGENT = 17  # words, two of which are the time
_WHEN = reads("%d/%b/%Y:%H:%M:%S %z")


def s3_access(zone: ZoneInfo) -> Parser:
    """Fields as in AWS's table for Athena, with ``request_verb``, ``request_url`` and ``request_proto`` for the request
    line. The time of an event is ``requestdatetime``, at which the request was received; ``totaltime`` and
    ``turnaroundtime`` are milliseconds. ``key`` stays as it is written, URL-encoded.

    :param zone: not used; every line names its zone
    """

    def parse(message: Message) -> Parsed:
        words = words_around(text_of(message), _BEFORE_USER_AGENT)
        # [05/Mar/2025:07:00:01 +0000] contains a blank.
        if len(words) < _LEAST or not (words[2].startswith("[") and words[3].endswith("]")):
            raise Unreadable(f"is not {_KIND}")
        when = f"{words[2][1:]} {words[3][:-1]}"
        time = _WHEN(when, zone, None)
        if time is None:
            raise Unreadable(f"has no time where {_KIND} has it")
        return Parsed(read_columns(_KIND, _COLUMNS, _LEAST, [*words[:2], when, *words[4:]]), time)

    return parse
