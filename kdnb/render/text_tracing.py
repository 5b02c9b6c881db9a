"""Text of `wt` (the command reference, 7.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.tracing import CallTrace

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []


@lines.register(CallTrace)
def _trace(value: CallTrace) -> Iterator[str]:
    yield f"Tracing {value.title}"
    for row in value.trace if value.with_calls else ():
        returned = (
            f" {value.return_register} = {row.value:x}" if value.return_register and row.value is not None else ""
        )
        yield f"{row.own:5} {row.children:5} [{row.depth:3}] {'  ' * row.depth}{row.name}{returned}"
    yield ""
    if value.ended:
        yield f"(ended: {value.ended})"
    events = len(value.trace) + value.elsewhere
    yield f"{value.instructions} instructions were executed in {events} events ({value.elsewhere} from other threads)"
    yield ""
    if value.with_summary:
        yield f"{'Function Name':<44} Invocations MinInst MaxInst AvgInst"
        for one in value.functions:
            average = one.total // max(one.invocations, 1)
            yield f"{one.name:<44} {one.invocations:11} {one.least:7} {one.most:7} {average:7}"
    yield from lines(value.stop)
