"""What is kept of an agent's text: no secrets, no control characters, a bounded length."""

from __future__ import annotations

import pytest

from orchestrion.actors.providers.redaction import end_of, plain

pytestmark = pytest.mark.lesson("L60")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("export OPENAI_API_KEY=abc123 now", "export OPENAI_API_KEY=[secret] now"),
        ('{"apiKey": "two words", "n": 1}', '{"apiKey": [secret], "n": 1}'),
        ("DB_PASSWORD='a b'", "DB_PASSWORD=[secret]"),
        ("Authorization: Bearer abcdefgh", "Authorization: [secret]"),
        ("sent bearer abcdefghijk", "sent bearer [secret]"),
        ("cloning https://u:p@host/x", "cloning https://[secret]@host/x"),
        ("GET /v1?api_key=zz&x=1", "GET /v1?api_key=[secret]&x=1"),
        ("tool --token abc --x y", "tool --token [secret] --x y"),
        ("Incorrect API key provided: sk-proj-abc_123-x.", "Incorrect API key provided: [secret]."),
        ("AKIAIOSFODNN7EXAMPLE", "[secret]"),
        ("ghp_abcdefghijklmnop", "[secret]"),
        ("eyJhbGciOi.eyJzdWIi.c2ln", "[secret]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc", "[secret]"),
        ("NPM_CONFIG__AUTH=abc", "NPM_CONFIG__AUTH=[secret]"),
        ("//registry.npmjs.org/:_authToken=abc", "//registry.npmjs.org/:_authToken=[secret]"),
        ("//registry.npmjs.org/:_auth=abc", "//registry.npmjs.org/:_auth=[secret]"),
        ("_password=abc", "_password=[secret]"),
        ("NVM_AUTH_HEADER=abc", "NVM_AUTH_HEADER=[secret]"),
        ("PGPASSWORD='a b' MYSQL_PWD=abc", "PGPASSWORD=[secret] MYSQL_PWD=[secret]"),
        ("AccountKey=abc;EndpointSuffix=x", "AccountKey=[secret];EndpointSuffix=x"),
        ("GOOGLE_CREDENTIALS=abc SMTP_PASS=abc", "GOOGLE_CREDENTIALS=[secret] SMTP_PASS=[secret]"),
        ('{"auth": "abc"}', '{"auth": [secret]}'),
        ("http.https://h/.extraheader=abc", "http.https://h/.extraheader=[secret]"),
        ("'http.extraHeader'='Authorization: Basic abc'", "'http.extraHeader'='[secret]'"),
        ("access-tokens = github.com=abc x=def", "access-tokens = [secret]"),
        ("sshpass -p abc ssh h", "sshpass -p [secret] ssh h"),
        ("curl -u me:abc https://h", "curl -u [secret] https://h"),
        ("machine h login me password abc", "machine h login me password [secret]"),
        ("https://conda.anaconda.org/t/tk-abc/c", "https://conda.anaconda.org/t/[secret]/c"),
    ],
)
def test_l60_text_that_looks_like_a_secret_is_replaced(text: str, kept: str) -> None:
    assert plain(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        *("no such key: x", "monkey: 5", "max_tokens=10, tokens: 5", "https://host/a@b", "risk-averse"),
        *(
            "PWD=/home/me",
            "auth: not logged in",
            "git log --author=me",
            "author: me",
            "docker run -u 1000 x",
            "pass: 3",
        ),
    ],
)
def test_l60_ordinary_words_stay(text: str) -> None:
    assert plain(text) == text


def test_l60_escape_sequences_and_overwritten_text_are_removed() -> None:
    assert plain("\x1b[1;31mred\x1b[0m \x1b]0;title\x07a\x00b\u202e\r\n") == "red ab"
    assert plain("10%\r20%\rdone\nnext") == "done\nnext"


def test_l60_text_is_bounded() -> None:
    assert plain("x" * 50, max_bytes=10) == "x" * 10 + " [...]"


def test_l60_a_secret_whose_beginning_was_cut_off_is_not_kept() -> None:
    assert end_of(b"def-rest-of-a-secret\nerror: x", is_whole=False) == "error: x"
    secret = b"sk-" + b"a" * 30
    assert end_of(b"key " + secret + b" end", is_whole=True, max_bytes=20) == "key [secret] end"
