"""Sessions on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.simulator.guest_symbols import write_symbols
from tests.debugger.simulated import TIMEOUT, open_session, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kdnb.debugger.session import Session


@pytest.fixture(scope="session")
def guest_symbols(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A symbol store with the guest's PDBs."""
    folder = tmp_path_factory.mktemp("symbols")
    write_symbols(folder)
    return folder


@pytest.fixture(scope="module")
def session_of_module(guest_symbols: Path) -> Iterator[Session]:
    """A session for tests that only look; all of a module share it."""
    with serve() as address, open_session(address, symbol_path=str(guest_symbols)) as session:
        session.connect(TIMEOUT)
        yield session


@pytest.fixture
def session(guest_symbols: Path) -> Iterator[Session]:
    """A session that is connected to an idle machine and stopped."""
    with serve() as address, open_session(address, symbol_path=str(guest_symbols)) as session:
        session.connect(TIMEOUT)
        yield session
