"""JSON objects, one per line, given directly."""

from __future__ import annotations

import pytest

from orchestrion.actors.providers.json_lines import JsonLines, Malformed
from orchestrion.contracts.errors import ProviderProtocolError
from orchestrion.contracts.values import JsonObject


def read(message: JsonObject) -> JsonObject | Malformed:
    return Malformed(fault="of no type") if message.get("type") is None else message


def lines_of(*, max_line_bytes: int = 1000, max_malformed_in_a_row: int = 3) -> JsonLines[JsonObject]:
    return JsonLines(read, max_line_bytes=max_line_bytes, max_malformed_in_a_row=max_malformed_in_a_row)


def test_lines_may_be_cut_anywhere() -> None:
    stream = '{"type": "a"}\r\n\n{"type": "\u00e9"}\n{"ty'.encode()
    for cut in range(len(stream)):
        lines = lines_of()
        messages = [message for part in (stream[:cut], stream[cut:]) for message in lines.feed(part)]
        assert messages == [{"type": "a"}, {"type": "\u00e9"}]


def test_a_line_that_is_no_message_is_malformed_and_the_next_is_read() -> None:
    broken, array, fine = lines_of().feed(b'[debug] x\n[1]\n{"type": "a"}\n')
    assert isinstance(broken, Malformed)
    assert broken.excerpt == "[debug] x"
    assert array == Malformed(fault="not a JSON object", excerpt="[1]", early=True)
    assert fine == {"type": "a"}


def test_a_line_the_reader_refuses_is_malformed_with_its_beginning() -> None:
    (message,) = lines_of().feed(b'{"text": "%s"}\n' % (b"x" * 500))
    assert isinstance(message, Malformed)
    assert (message.fault, len(message.excerpt)) == ("of no type", 200)


@pytest.mark.lesson("L42")
def test_half_a_surrogate_pair_is_kept_for_its_other_half() -> None:
    (message,) = lines_of().feed(b'{"type": "\\ud83d"}\n')
    assert message == {"type": "\ud83d"}


@pytest.mark.lesson("L42")
@pytest.mark.parametrize(
    ("number", "value"),
    [
        (b"NaN", "nan"),
        (b"Infinity", "inf"),
        (b"-Infinity", "-inf"),
        (b"1e999", "inf"),
        (b"18446744073709551616", "18446744073709551616"),
        (b"-9223372036854775809", "-9223372036854775809"),
        (b"123456789012345678901234567890", "123456789012345678901234567890"),
        (b"9" * 100_000, "inf"),
        (b"-" + b"9" * 100_000, "-inf"),
        (b"0.1234567890123456789", "0.12345678901234568"),
    ],
)
def test_a_number_that_json_does_not_have_drops_no_line(number: bytes, value: str) -> None:
    (message,) = lines_of(max_line_bytes=10**6).feed(b'{"type": "a", "v": ' + number + b"}\n")
    assert isinstance(message, dict)
    assert str(message["v"]) == value


def test_a_line_over_the_bound_is_not_kept() -> None:
    lines = lines_of(max_line_bytes=14)
    assert list(lines.feed(b"x" * 12)) == []
    (over, fine) = lines.feed(b'x" * 8\n{"type": "a"}\n')
    assert isinstance(over, Malformed)
    assert "over the bound of 14" in over.fault
    assert fine == {"type": "a"}


def test_endless_garbage_is_given_up_unless_a_message_comes_between() -> None:
    lines = lines_of()
    assert len(list(lines.feed(b'?\n{}\n{"type": "a"}\n' * 5))) == 15
    with pytest.raises(ProviderProtocolError, match="3 lines in a row"):
        list(lines.feed(b"?\n{}\n?\n"))


@pytest.mark.lesson("L55")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"\xef\xbb\xbf", b""),
        (b"\x1b[2J\x1b[1;1H\x1b[32m", b"\x1b[0m"),
        (b"\xef\xbb\xbf\x1b]0;title\x07 ", b" \x1b[K\r"),
        (b"\n\n\x1b[0m\n\xef\xbb\xbf\n", b""),
    ],
)
def test_marks_and_terminal_codes_around_a_message_are_skipped(before: bytes, after: bytes) -> None:
    lines = lines_of()
    assert list(lines.feed(before + b'{"type": "a"}' + after + b"\n")) == [{"type": "a"}]
    assert lines.printed_first == ""


@pytest.mark.lesson("L55")
def test_output_before_the_first_message_is_kept_in_part() -> None:
    lines = lines_of(max_malformed_in_a_row=1000)
    early = list(lines.feed(b"\x1b[1mWelcome\x1b[0m\nrun login\nPassword: "))
    assert [isinstance(line, Malformed) and line.early for line in early] == [True, True]
    assert lines.printed_first == "Welcome\nrun login\nPassword:"
    assert list(lines.feed(b'{"type": "a"}\n')) == [{"type": "a"}]
    (late,) = lines.feed(b"late\n")
    assert isinstance(late, Malformed)
    assert not late.early
    assert lines.printed_first == "Welcome\nrun login\nPassword:"


def test_endless_output_is_not_kept_whole() -> None:
    lines = lines_of(max_malformed_in_a_row=100_000)
    for _ in range(100):
        list(lines.feed(b"x" * 999 + b"\n"))
    assert len(lines.printed_first) <= 2048


def test_json_within_a_later_line_is_no_message() -> None:
    lines = lines_of()
    list(lines.feed(b'{"type": "a"}\n'))
    (malformed,) = lines.feed(b'[log] {"type": "b"}\n')
    assert isinstance(malformed, Malformed)


@pytest.mark.lesson("L42")
@pytest.mark.parametrize("before", range(64 * 1024 - 40, 64 * 1024))
def test_long_integer_is_found_anywhere_in_a_long_line(before: int) -> None:
    line = b'{"type": "' + b"x" * before + b'", "v": 18446744073709551616}\n'
    (message,) = lines_of(max_line_bytes=10**6).feed(line)
    assert isinstance(message, dict)
    assert message["v"] == 2**64
