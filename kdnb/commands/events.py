"""What events do: `sx*`, and `.lastevent` (the command reference, 7.14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import ExpressionError
from kdnb.results.events import LastEvent
from kdnb.results.values import Text

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

_ACTIONS = {"sxe": "break", "sxd": "second", "sxn": "output", "sxi": "ignore"}


@command(
    "sx",
    summary="List the event filters: what exceptions, image loads and other events do.",
    syntax="sx",
    examples=("sx",),
    tier="B",
    needs_stop=False,
)
def list_filters(session: Session, arguments: Arguments) -> Result:
    """Every filter with its break and its handling state."""
    arguments.finish()
    return session.filters.table()


@command(
    *_ACTIONS,
    summary="Break at an event (sxe), at its second chance only (sxd), show a line (sxn), or ignore it (sxi).",
    syntax='sxe|sxd|sxn|sxi [-c "Commands"] [-c2 "Commands"] [-h] Event[:Pattern]',
    details="Events: ld[:module] and ud[:module] image loads, out[:text] printed text, ibp the first stop after a "
    "restart (where the kernel is loaded), iml the first image after one, av asrt bpe dz eh gp ii sse ... exceptions, "
    "any code in hex, * for those without a row. -h changes what a plain g does with an exception: handled (sxe) or "
    "not (the others). -c runs at the break, -c2 at the second chance.",
    examples=("sxe ld:disk", "sxd ii", 'sxe -c "k" av', "sxe -h c0000094", "sxi out:buggy", "sxe out", "sxe ibp"),
    tier="B",
    needs_stop=False,
)
def change_filter(session: Session, arguments: Arguments) -> Result:
    """Silent, as in WinDbg."""
    changes, handling = _options(arguments)
    name = _name(arguments)
    if arguments.match(r":"):
        changes["pattern"] = arguments.quoted() or arguments.word()
    elif name in ("ld", "ud", "out"):
        changes["pattern"] = ""
    arguments.finish()
    action = _ACTIONS[arguments.name]
    if handling:
        changes["handled"] = action == "break"
    else:
        changes["action"] = "ignore" if action == "second" and session.filters[name].handled is None else action
    session.filters.change(name, **changes)
    return Text("")


def _options(arguments: Arguments) -> tuple[dict[str, object], bool]:
    changes: dict[str, object] = {}
    handling = False
    while found := arguments.match(r"-(c2|c|h)(?=[\s\"])\s*"):
        if found[1] == "h":
            handling = True
            continue
        text = arguments.quoted()
        if text is None:
            raise ExpressionError(f"Syntax error at '{arguments.rest[:60] or '<EOL>'}'", '-c "k; r"')
        changes["commands" if found[1] == "c" else "second_commands"] = text
    return changes, handling


def _name(arguments: Arguments) -> str:
    found = arguments.match(r"(\*|[A-Za-z0-9`]+)")
    if found is None:
        raise ExpressionError(f"Syntax error at '{arguments.rest[:60] or '<EOL>'}'", "sxe ld:disk; sx lists the events")
    return found[1].lower()


@command(
    "sx-",
    summary="Give an event commands without changing when it breaks.",
    syntax='sx- -c "Commands" [-c2 "Commands"] Event',
    details="Empty commands take them away.",
    examples=('sx- -c "r" av',),
    tier="B",
    needs_stop=False,
)
def change_commands(session: Session, arguments: Arguments) -> Result:
    """Silent."""
    changes, _ = _options(arguments)
    name = _name(arguments)
    arguments.finish()
    session.filters.change(name, **changes)
    return Text("")


@command(
    "sxr",
    summary="Set all event filters back to their defaults.",
    syntax="sxr",
    examples=("sxr",),
    tier="B",
    needs_stop=False,
)
def reset_filters(session: Session, arguments: Arguments) -> Result:
    """The defaults are those of a new session."""
    arguments.finish()
    session.filters.reset()
    return Text("")


@command(
    ".lastevent",
    summary="Tell why the target stopped last, and when.",
    syntax=".lastevent",
    details="The time is this computer's, in UTC, when the stop was heard; .time shows the target's.",
    examples=(".lastevent",),
    tier="B",
    needs_stop=False,
)
def last_event(session: Session, arguments: Arguments) -> Result:
    """The last stop, in two lines."""
    arguments.finish()
    stop = session.last_stop  # not what another processor shows of it
    return LastEvent(stop) if stop is not None else Text("No event has come yet.")
