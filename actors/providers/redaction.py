"""Text of agents as it may be stored: without secrets, without control characters, bounded.

An agent's standard error and its errors are stored in the log and shown to people. They may contain keys, tokens and
passwords that the agent was given or has read. Text that looks like a secret is replaced by `[secret]`; a secret that
looks like an ordinary word stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["MAX_ERROR_BYTES", "end_of", "plain", "readable", "redacted", "without_secrets"]

MAX_ERROR_BYTES: Final = 8 * 1024

_SECRET: Final = "[secret]"

_ESCAPES: Final = re.compile(
    r"(?:\x1b\]|\x9d)[^\x07\x1b\x9c\n]{0,2048}(?:\x07|\x1b\\|\x9c)?"  # titles, links, the clipboard
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c\n]{0,2048}(?:\x1b\\|\x9c)?"
    r"|(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]?"
    r"|\x1b[ -/]{0,8}[0-~]?"
)
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")

_NAMED: Final = (
    r"[_.]{0,2}(?:[a-z0-9]{1,40}[_.-]{1,2}){0,6}(?:api[_-]?key|access[_-]?key(?:[_-]?id)?"
    r"|secret(?:[_-]?(?:access[_-]?)?key)?|private[_-]?key|[a-z0-9]{1,40}_key|(?:shared)?(?:access|account)key"
    r"|[a-z0-9]{0,40}token|[a-z0-9]{0,20}passw(?:or)?d|[a-z0-9]{1,40}_(?:pwd|pass|auth|credentials?)|passphrase|client[_-]?secret"
    r"|auth_(?:header|config|data)|cookie)"
    r"(?:[_.-][a-z0-9]{1,40}){0,3}"
)
_VALUE: Final = r"(?!\[secret\])(?:\"[^\"\n]*\"?|'[^'\n]*'?|[^\s\"',;&}]+)"

# No pattern has an unbounded repetition that may begin anywhere, so the time is linear in the length of the text.
_PATTERNS: Final = (
    (re.compile(r"-----BEGIN ([A-Z ]{0,30}PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", re.DOTALL), _SECRET),
    (re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://)[^\s/@:]*:[^\s/@]+@", re.IGNORECASE), rf"\1{_SECRET}@"),
    (re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://)[^\s/@:]{16,}@", re.IGNORECASE), rf"\1{_SECRET}@"),
    (
        re.compile(r"(authorization[\"']?\s{0,4}[:=]\s{0,4}[\"']?)(?:[a-z]{1,20} +)?[^\s\"',;]+", re.IGNORECASE),
        rf"\1{_SECRET}",
    ),
    (re.compile(r"\b(bearer|basic|digest|negotiate) +[a-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1 {_SECRET}"),
    (re.compile(r"(cookie[\"']?\s{0,4}:\s{0,4})[^\n]+", re.IGNORECASE), rf"\1{_SECRET}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"), _SECRET),
    (re.compile(r"\b(?:sk|pk|rk|ak|ek)[-_][A-Za-z0-9_-]{8,}"), _SECRET),
    (re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ABIA|ACCA)[A-Z0-9]{12,}\b"), _SECRET),
    (re.compile(r"\b(?:AIza|ya29\.)[A-Za-z0-9_-]{10,}"), _SECRET),
    (
        re.compile(
            r"\b(?:gh[oprsu]_|github_pat_|glpat-|glrt-|npm_|pypi-|hf_|xox[abeoprs]-|xapp-|gsk_|xai-|pplx-|SG\.|dop_v1_"
            r"|shp(?:at|ss|ca|pa)_|sq0[a-z]{3}-|AGE-SECRET-KEY-|tskey-|figd_|lin_api_)[A-Za-z0-9._-]{8,}"
        ),
        _SECRET,
    ),
    (
        re.compile(
            r"([?&][a-z_-]{0,30}(?:key|token|secret|sig|signature|password|auth|code)[a-z_-]{0,30}=)[^\s&#\"']+",
            re.IGNORECASE,
        ),
        rf"\1{_SECRET}",
    ),
    (re.compile(r"(extraheader[\"']?\s{0,4}[:=]\s{0,4}[\"']?)[^\n\"']+", re.IGNORECASE), rf"\1{_SECRET}"),
    (re.compile(r"(access-tokens\s{0,4}=\s{0,4})[^\n]+", re.IGNORECASE), rf"\1{_SECRET}"),
    (
        re.compile(r"((?<![a-z0-9])_auth\s{0,4}=\s{0,4}|[\"']_?auth[\"']\s{0,4}:\s{0,4})" + _VALUE, re.IGNORECASE),
        rf"\1{_SECRET}",
    ),
    (re.compile(r"(\bsshpass +-p ?)\S+"), rf"\1{_SECRET}"),
    (re.compile(r"((?<!\S)(?:-u|--user|--proxy-user)[ =]?)[^\s:]+:\S+"), rf"\1{_SECRET}"),
    (re.compile(r"(\blogin\s+\S{1,200}\s+password\s+)\S+"), rf"\1{_SECRET}"),
    (re.compile(r"(\banaconda\.org/t/)[^\s/]+"), rf"\1{_SECRET}"),
    (re.compile(rf"(--{_NAMED}[ =]){_VALUE}", re.IGNORECASE), rf"\1{_SECRET}"),
    (
        re.compile(rf"(?<![a-z0-9_.-])({_NAMED}[\"']?\s{{0,4}}(?:=>|:=|=|:)\s{{0,4}}){_VALUE}", re.IGNORECASE),
        rf"\1{_SECRET}",
    ),
)


def readable(text: str) -> str:
    """Text without escape sequences, control characters and characters that change the direction of writing."""
    lines = _ESCAPES.sub("", text).split("\n")
    shown = (line.rstrip("\r").rpartition("\r")[2] for line in lines)  # a terminal writes over what a return ends
    return _CONTROLS.sub("", "\n".join(shown))


def redacted(text: str) -> str:
    """Text in which everything that looks like a secret is `[secret]`."""
    for pattern, put in _PATTERNS:
        text = pattern.sub(put, text)
    return text


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Text in which each of these secrets is `[secret]`. Of secrets that contain one another, the longer come first."""
    for secret in secrets:
        text = text.replace(secret, _SECRET)
    return text


def plain(text: str, *, max_bytes: int = MAX_ERROR_BYTES) -> str:
    """An agent's text as it may be stored: readable, redacted, and only its beginning if it exceeds the bound."""
    kept = redacted(readable(text[: 4 * max_bytes])).strip()
    encoded = kept.encode("utf-8", "replace")
    if len(encoded) <= max_bytes:
        return kept
    return encoded[:max_bytes].decode("utf-8", "ignore").rstrip() + " [...]"


def end_of(data: bytes, *, is_whole: bool, max_bytes: int = MAX_ERROR_BYTES) -> str:
    """The end of an agent's output as it may be stored; it begins with a whole word.

    `is_whole` is False if more came before `data`: its first word may be the rest of a secret, and is cut off.
    """
    text = data.decode("utf-8", "replace")
    if not is_whole:
        rest = text.find("\n") + 1 or text.find(" ") + 1
        text = text[rest:] if rest < len(text) else text
    kept = redacted(readable(text)).encode("utf-8", "replace")
    return kept[-max_bytes:].decode("utf-8", "ignore")
