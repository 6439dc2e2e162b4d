"""The commands that make keys."""

import re
from pathlib import Path

import pytest

from gateway.access import hash_token
from tests.running import run_command

CONFIG = """
[server]
signing_keys = ["env:SIGNING_KEY"]
"""


def test_a_token_and_its_hash():
    """The command says what its user needs, and what the configuration needs."""
    first, second = (run_command("token").stdout.split() for _ in range(2))

    assert first[::2] == ["token", "sha256"]
    assert hash_token(first[1]) == first[3]
    assert first[1] != second[1]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a configuration whose key is in the environment."""
    monkeypatch.setenv("SIGNING_KEY", "k" * 32)
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIG)
    return path


@pytest.mark.parametrize(("url", "separator"), [("/ibe/a", "?"), ("https://x/ibe/a?size=1", "&")])
def test_a_signed_url(config: Path, url: str, separator: str):
    """The URL stays as it is, and gets its end and a signature."""
    done = run_command("sign", url, "--expires", "7d", "--config", config)

    pattern = re.escape(url + separator) + r"expires=\d{10}&signature=[0-9a-f]{64}\n"
    assert re.fullmatch(pattern, done.stdout)


def test_what_cannot_be_signed(config: Path):
    """Without a key, with one that is too short, or for no known time nothing is signed."""
    without = run_command("sign", "/ibe/a")
    unclear = run_command("sign", "/ibe/a", "--expires", "soon", "--config", config)
    config.write_text('[server]\nsigning_keys = ["too-short-and-secret"]')
    short = run_command("sign", "/ibe/a", "--config", config)

    assert {done.returncode for done in (without, unclear, short)} == {2}
    assert "set server.signing_keys" in without.stderr
    assert "as in 1h" in unclear.stderr
    assert "must have at least 32 characters" in short.stderr
    assert "secret" not in short.stderr.replace("signing_keys", "")
