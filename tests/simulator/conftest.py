"""A host beside a real machine, in virtual time: what the stub's tests talk through."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest

from kdnb.simulator.loader import guest_files
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.pe import PeImage

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.simulator.scripted_host import ScriptedHost


@functools.cache
def kernel_symbols() -> dict[str, int]:
    kernel = guest_files()[0]
    base = PeImage.from_file(kernel.image).image_base
    return {symbol.name: base + symbol.rva for symbol in PdbFile.open(kernel.pdb).publics()}


@pytest.fixture
def symbol() -> Callable[[str], int]:
    """Address of a public symbol of the guest's kernel."""
    return kernel_symbols().__getitem__


@pytest.fixture
def join() -> Callable[[str], ScriptedHost]:
    """Makes a host beside a fresh machine in the scenario of that name."""
    from kdnb.simulator.scripted_host import ScriptedHost

    return ScriptedHost


@pytest.fixture
def host(join: Callable[[str], ScriptedHost]) -> ScriptedHost:
    """A host beside a freshly booted, idle machine."""
    return join("idle")


@pytest.fixture
def stopped(host: ScriptedHost) -> ScriptedHost:
    """The same, broken into."""
    host.break_in()
    return host
