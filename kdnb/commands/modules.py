"""`lm`: the loaded images (the command reference, 7.8)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import ExpressionError
from kdnb.results.modules import ModuleList
from kdnb.symbols.wildcards import compile_wildcard

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.modules import Module
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

_USER_LIMIT = {8: 1 << 47, 4: 1 << 31}


@command(
    "lm",
    summary="List loaded modules.",
    syntax="lm[v][k|u][o][l][e][f|n|t][1m][sm] [a Address] [m Pattern]",
    details="v shows details, f paths, n image names, t timestamps, 1m names only, o those with symbols, e those "
    "without, k kernel and u user space only, sm sorts by name. lmvm NAME is the same as lm v m NAME.",
    examples=("lm", "lmvm nt", "lm m d*", "lm a @rip", "lmn", "lm1m"),
    suffix="(?:sm|1m|[Dovlkuefintpca])*m?",
)
def list_modules(session: Session, arguments: Arguments) -> Result:
    """Modules in address order."""
    options = arguments.suffix
    pattern = _trailing_pattern(arguments, options)
    address = None
    if pattern is None:
        while not arguments.at_end and address is None and pattern is None:
            word = arguments.word()
            if word == "a":
                address = arguments.expression()
            elif word in ("m", "M"):
                pattern = arguments.word()
            elif re.fullmatch(r"(?:sm|1m|[Dovlkuefintpc])+", word):
                options += word
            else:
                raise ExpressionError(f"Syntax error at '{word[:60]}'", ".hh lm shows the options")
    modules = sorted(session.modules, key=lambda module: module.base)
    modules = [m for m in modules if _wanted(session, m, options, pattern, address)]
    if "sm" in options:
        modules.sort(key=lambda module: module.name.lower())
    verbose = "v" in options
    headers = verbose or "t" in options
    infos = tuple(module.info(headers=headers) for module in modules)
    return ModuleList(infos, session.pointer_size, verbose, options)


def _trailing_pattern(arguments: Arguments, options: str) -> str | None:
    """The pattern where the options end with `m` (`lmvm nt`)."""
    if options.endswith("m") and not options.endswith(("1m", "sm")):
        return arguments.word()
    if options.endswith("a"):
        arguments.rest = f"a {arguments.rest}"
    return None


def _wanted(session: Session, module: Module, options: str, pattern: str | None, address: int | None) -> bool:
    options = options.replace("sm", "").replace("1m", "")
    if pattern is not None and not compile_wildcard(pattern).fullmatch(module.name):
        return False
    if address is not None and (address & session.address_mask) not in module:
        return False
    user = module.base < _USER_LIMIT[session.pointer_size]
    if ("k" in options and user) or ("u" in options and not user):
        return False
    loaded = module.symbol_status != "deferred"
    return not (("o" in options or "l" in options) and not loaded) and not ("e" in options and loaded)
