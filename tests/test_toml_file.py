"""TOML files that people write: what the parser of Python's library does not explain."""

from pathlib import Path

import pytest

from poptalk.config import TomlError, TomlFile


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"port = {'1' * 5000}", "a number is too long"),
        (f"pins = {'[' * 100_000}", "brackets are nested too deeply"),
        ("port = ", "line 1: no TOML"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(text: str, why: str) -> None:
    with pytest.raises(TomlError, match=f"^servers.toml.*{why}"):
        TomlFile(text, source="servers.toml")


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "servers.toml"
    path.write_bytes(b"\xef\xbb\xbf[work]\n")
    assert TomlFile.read(path).names == ["work"]
