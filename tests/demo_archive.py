"""The demonstration archive as a fixture, made once for the whole run of the tests."""

from pathlib import Path

import pytest

from gateway.demo import make_archive


@pytest.fixture(scope="session")
def demo_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the archive; tests only read it."""
    folder = tmp_path_factory.mktemp("demo-archive")
    make_archive(folder, lambda _: None)
    return folder
