"""Fixtures for all tests: the shared folder of captures, outside programs, hypothesis without deadlines."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.windows_files import WindowsFiles, WindowsFilesMissing, windows_files

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / "shared"

# Shared machines stall: a wall-clock deadline would fail examples that are right.
settings.register_profile("kdnb", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kdnb")


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real captures and the protocol reference; it is not part of a clone."""
    if not SHARED.is_dir():
        pytest.skip("needs the captures in ../shared, which is not beside this clone")
    return SHARED


@pytest.fixture(scope="session")
def msvc(pytestconfig: pytest.Config) -> WindowsFiles:
    """Images and PDBs by Microsoft's tools, out of public wheels."""
    try:
        return windows_files(Path(pytestconfig.cache.mkdir("windows-files")))
    except WindowsFilesMissing as missing:
        message = f"needs Windows wheels: {missing}"
        if os.environ.get("KDNB_REQUIRE_EXTERNAL"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("external"):
        missing = [program for program in marker.args if shutil.which(program) is None]
        if not missing:
            continue
        message = f"needs {', '.join(missing)} on PATH"
        if os.environ.get("KDNB_REQUIRE_EXTERNAL"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
