"""`lm`: the loaded images (the command reference, 7.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import ExpressionError
from kdnb.results.modules import ModuleList
from kdnb.symbols.wildcards import compile_wildcard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.modules import Module
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result
    from kdnb.results.modules import UnloadedModule

_USER_LIMIT = {8: 1 << 47, 4: 1 << 31}
_OPTION = r"sm|1m|[Dovlkuefintpc]"


@dataclass(slots=True)
class _Request:
    options: str = ""
    name: str | None = None
    path: str | None = None
    address: int | None = None


@command(
    "lm",
    summary="List loaded modules.",
    syntax="lm[D][o][l][v][k|u][e][1m][sm][i|f|n|p|t|c] [a Address] [m Pattern | M Pattern]",
    details="v shows details, f paths, n image names, i image names beside the symbols' status, p the mapped image "
    "(none is mapped here), t timestamps, c checksums, 1m names only; l those whose symbols are loaded, e those with a "
    "symbol problem (mismatched, exports, none), o loaded ones only, k kernel and u user space only; sm sorts by "
    "name. Drivers that were unloaded come last, the newest first. a takes the module around an address, m a pattern "
    "of names, M one of image paths. Letters may be combined, and the pattern may cling to its m: lmDvmnt.",
    examples=("lm", "lmvm nt", "lm m d*", "lm M *disk*", "lm a @rip", "lmn", "lm1m", "lmDvmnt"),
    suffix=rf"(?:{_OPTION})*(?:[mM]\S*|a(?![A-Za-z])\S*)?",
)
def list_modules(session: Session, arguments: Arguments) -> Result:
    """Modules in address order."""
    request = _read(arguments)
    modules = [m for m in sorted(session.modules, key=lambda module: module.base) if _wanted(session, m, request)]
    if "sm" in request.options:
        modules.sort(key=lambda module: module.name.lower())
    options = request.options.replace("sm", "")
    verbose = "v" in options
    headers = verbose or "t" in options or "c" in options
    infos = tuple(module.info(headers=headers) for module in modules)
    return ModuleList(infos, session.pointer_size, verbose, options, tuple(_unloaded(session, request)))


def _read(arguments: Arguments) -> _Request:
    """The options, with or without blanks between them."""
    request = _Request()
    arguments.rest = f"{arguments.suffix} {arguments.rest}".strip()
    while not arguments.at_end:
        if (letters := arguments.match(_OPTION)) is not None:
            request.options += letters[0]
        elif arguments.match("m"):
            request.name = arguments.word()
        elif arguments.match("M"):
            request.path = arguments.word()
        elif arguments.match("a"):
            request.address = arguments.expression()
        else:
            raise ExpressionError(f"Syntax error at '{arguments.rest[:60]}'", ".hh lm shows the options")
    return request


def _wanted(session: Session, module: Module, request: _Request) -> bool:
    options = request.options.replace("sm", "").replace("1m", "")
    for pattern, text in ((request.name, module.name), (request.path, module.path)):
        if pattern is not None and not compile_wildcard(pattern).fullmatch(text):
            return False
    if request.address is not None and (request.address & session.address_mask) not in module:
        return False
    user = module.base < _USER_LIMIT[session.pointer_size]
    if ("k" in options and user) or ("u" in options and not user):
        return False
    if "o" in options and module.is_unloaded:
        return False
    status = module.symbol_status
    if "l" in options and status == "deferred":
        return False
    return "e" not in options or status in ("export symbols", "no symbols") or "mismatched" in module.symbol_note


def _unloaded(session: Session, request: _Request) -> Iterator[UnloadedModule]:
    """Those that were unloaded and that the options want; patterns mean a name with or without extension."""
    if "1m" in request.options or set(request.options.replace("sm", "")) & set("olue"):
        return
    patterns = [compile_wildcard(text) for text in (request.name, request.path) if text is not None]
    for module in session.modules.remembered:
        names = module.name, module.name.rpartition(".")[0]
        if request.address is not None and (request.address & session.address_mask) not in module:
            continue
        if all(any(pattern.fullmatch(name) for name in names) for pattern in patterns):
            yield module
