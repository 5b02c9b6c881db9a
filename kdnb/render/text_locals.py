"""Text of `dv` (the command reference, 7.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.addresses import format_address
from kdnb.results.locals import Local, LocalList

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []


@lines.register(LocalList)
def _list(value: LocalList) -> Iterator[str]:
    for variable in value.variables:
        yield _line(variable, value.options, value.address_size)


def _line(variable: Local, options: str, size: int) -> str:
    start = ("prv param  " if variable.is_parameter else "prv local  ") if "i" in options else ""
    if "v" in options or "V" in options:
        place = format_address(variable.address, size) if variable.address is not None else ""
        start += f"{place:<{2 * size + 1}} "
    if "V" in options:
        start += f"{variable.place:<15} "
    kind = f"{variable.type} " if "t" in options else ""
    # Names are right-aligned, unless something stands before them.
    name = f"{kind}{variable.name}"
    text = f"{start}{name if start or kind else f'{name:>15}'}"
    return text if "f" in options else f"{text} = {variable.value}"
