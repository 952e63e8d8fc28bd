"""Nothing that others wrote acts on a terminal or forges a line of a log, and no credentials are repeated."""

from __future__ import annotations

import ast
import base64
import json
import logging
import unicodedata
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from local.places import PROJECT
from opensearch_strata.cli import output
from opensearch_strata.cli.app import app
from opensearch_strata.errors import StrataError
from opensearch_strata.errors.judging import explain
from opensearch_strata.errors.printable import brief, printable, printable_json
from opensearch_strata.presentation.tables import Table

PACKAGE = PROJECT / "plugins" / "opensearch_strata"
EVIL = "\x1b]0;pwned\x07\x1b[2J\x9b31m\nforged line\r\x08\x7f\u202egnp\u2028\u2066"
LOGIN = base64.b64encode(b"admin:S3cret-pass").decode()
ACTING = {"Cc", "Zl", "Zp", "Cs"}
BIDIRECTIONAL = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def acts(text: str) -> bool:
    return any(unicodedata.category(c) in ACTING or unicodedata.bidirectional(c) in BIDIRECTIONAL for c in text)


@given(st.text(st.characters()))
def test_nothing_acts_and_all_else_stays(text: str) -> None:
    shown = printable(text)
    assert not acts(shown)
    shown.encode()  # surrogates are gone
    assert all(character in shown for character in text if character.isprintable())


def test_what_acts_is_seen() -> None:
    assert printable("a\x1b[2J\nb\t\x9b\u202e") == r"a\x1b[2J\nb\t\x9b\u202e"
    assert printable("naïve 日本 😀 a\u200db") == "naïve 日本 😀 a\u200db"


@given(value=st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
@pytest.mark.parametrize("option", [None, orjson.OPT_INDENT_2])
def test_json_keeps_its_value(value: object, option: int | None) -> None:
    written = printable_json(orjson.dumps(value, option=option))
    assert json.loads(written) == value
    assert not acts(written.decode().replace("\n", ""))


def test_tables_sentences_and_explanations_act_on_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    output.say(EVIL)
    output.note(EVIL)
    output.fail(EVIL)
    output.print_table(Table(EVIL, (EVIL, "b"), [(EVIL, 1)]))
    output.print_json({EVIL: EVIL})
    with output.json_list() as add:
        add([EVIL])
    output.write_lines([(EVIL, orjson.dumps({EVIL: EVIL}))])
    shown = capsys.readouterr()
    for text in (shown.out, shown.err, str(Table(EVIL, (EVIL,), [(EVIL,)])), explain(StrataError(EVIL))):
        assert text
        assert not acts(text.replace("\n", ""))
        assert not any(line.startswith("forged") for line in text.splitlines())


def test_warnings_of_the_services_act_on_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "lastResort", logging.StreamHandler())
    output.tame_warnings()
    assert logging.lastResort is not None
    record = logging.LogRecord("x", logging.WARNING, "x.py", 1, "%s is broken.", (EVIL,), None)
    assert not acts(logging.lastResort.format(record))


def test_a_file_name_acts_on_nothing(tmp_path: Path) -> None:
    (tmp_path / f"x{EVIL[:8]}\x1b[2J").write_text("a\n")
    for arguments in ([str(tmp_path / f"x{EVIL[:8]}\x1b[2J")], ["-", "\x1b[2J"], ["nope\x1b[2J"], ["--\x1b[2J"]):
        result = CliRunner().invoke(app, ["parse", *arguments], input="a\n")
        assert "\x1b[2J" not in result.output


@pytest.mark.parametrize(
    "path",
    [p for p in sorted(PACKAGE.rglob("*.py")) if p.name not in ("output.py", "tables.py")],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_text_leaves_in_one_place(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id="print" | "echo" | "secho")) if path.name != "firehose.py":  # of JSON alone
                pytest.fail(f"{path.name}:{node.lineno} prints by itself; use opensearch_strata.cli.output")
            case ast.Call(func=ast.Attribute(value=ast.Name(id="typer"), attr="echo" | "secho" | "get_text_stream")):
                pytest.fail(f"{path.name}:{node.lineno} prints by itself; use opensearch_strata.cli.output")
            case ast.Attribute(value=ast.Name(id="sys"), attr="stdout" | "stderr") if path.name != "load_progress.py":
                pytest.fail(f"{path.name}:{node.lineno} writes by itself; use opensearch_strata.cli.output")


@pytest.mark.parametrize(
    "said",
    [
        f"no permissions for [x] and User [authorization=Basic {LOGIN}]",
        f'bad header "Authorization": "Basic {LOGIN}" was sent',
        f"Invalid key=value pair (missing equal-sign) in Authorization header: 'Basic {LOGIN}'.",
        f"Authorization: Bearer S3cret-pass-{'x' * 20}",
        f"unauthorized: {LOGIN}",
        f"the header Basic {LOGIN} is wrong",
        "the header was Bearer S3cret-pass-0123456789abcdef",
        "'AWS4-HMAC-SHA256 Credential=S3cret-pass/20260101/eu-central-1/es/aws4_request, SignedHeaders=host, "
        "Signature=S3cret-pass' not valid",
        "Authorization=AWS4-HMAC-SHA256 Credential=S3cret-pass/x, SignedHeaders=host;x-amz-date, Signature=S3cret-pass",
        "AWS4-HMAC-SHA256 Credential=S3cret-pass/20260101/us-east-1/es/aws4_request, Signature=S3cret-pass0",
        "X-Amz-Security-Token: S3cret-pass and more",
        "password=S3cret-pass for user admin",
        '{"secret": "S3cret-pass"}',
        "GET https://admin:S3cret-pass@search.example.com/x failed",
        "GET https://b.s3.amazonaws.com/k?X-Amz-Signature=S3cret-pass failed",
        "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJTM2NyZXQtcGFzcyJ9.S3cret-pass is expired",
        "Cookie: [S3cret-pass; other]",
    ],
)
def test_no_credentials_are_repeated(said: str) -> None:
    shown = brief(said)
    assert "S3cret" not in shown
    assert LOGIN not in shown
    assert "eyJzdWIi" not in shown


@pytest.mark.parametrize(
    "said",
    [
        "no permissions for [indices:data/read/search] and User [name=reader, backend_roles=[], requestedTenant=null]",
        "Basic authentication failed",
        "failed to parse field [dep_delay] of type [double] in document with id 'AAECAwQFBgcICQoLDA0ODw=='",
        "The request signature we calculated does not match the signature you provided. Check your key",
        "InvalidAccessKeyId: The AWS Access Key Id you provided does not exist",
        "index [flights-2013.01.05] blocked by: [FORBIDDEN/8/index write (api)]",
        "Missing role for Authorization to proceed",
    ],
)
def test_what_is_no_secret_is_told(said: str) -> None:
    assert brief(said) == said


def test_no_text_takes_long_to_be_told() -> None:
    for piece in ("authorization", "Basic ", "a" * 10, "eyJ", "password=", "http://", "http://a?", "x-amz-", "[", "'"):
        brief(piece * (10_000_000 // len(piece)))
