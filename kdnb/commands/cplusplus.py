"""`??`, `dx`, `r?`, `.expr`: C++ expressions (the command reference, 2.2, 7.2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.cplusplus import evaluate_cplusplus, parse_leading_cplusplus
from kdnb.debugger.cplusplus_values import data_view, describe
from kdnb.errors import ExpressionError, UnsupportedError
from kdnb.results.values import Text

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

_EVALUATORS = {
    "masm": "MASM - Microsoft Assembler expressions",
    "c++": "C++ - C++ source expressions",
}


@command(
    "??",
    summary="Evaluate a C++ expression: type and value, of a struct the fields.",
    syntax="?? Expression",
    details="Casts, fields (. and ->), subscripts, * and &, sizeof, #FIELD_OFFSET(T, F), #CONTAINING_RECORD(A, T, F) "
    "and the operators that change nothing. Registers have @ ($proc and $thread are typed), numbers follow C's "
    "rules: 10 is ten. A variable is what it holds, not its address.",
    examples=(
        "?? sizeof(nt!_EPROCESS)",
        "?? @$proc->UniqueProcessId",
        "?? ((nt!_KPRCB *)@$prcb)->CurrentThread",
        "?? @rsp + 8",
    ),
    tier="B",
)
def evaluate_cpp(session: Session, arguments: Arguments) -> Result:
    """The typed value."""
    if arguments.at_end:
        raise ExpressionError("Syntax error at '<EOL>'", "?? Expression")
    return describe(session, evaluate_cplusplus(arguments.all(), session))


@command(
    "dx",
    summary="Show a C++ expression and its fields as the data model does.",
    syntax="dx [-r[Levels]] Expression",
    details="-r2 opens two levels, -r0 none. @$curprocess and @$curthread are the current EPROCESS and ETHREAD. LINQ "
    "and the model's own objects are not there: kd.struct, kd.list and DataFrames do that in Python.",
    examples=("dx @$curprocess", "dx -r1 *(nt!_LIST_ENTRY *)&nt!PsActiveProcessHead", "dx -r0 @$curthread"),
    tier="B",
)
def show_data(session: Session, arguments: Arguments) -> Result:
    """The expression, and a row for each field."""
    depth = 1
    while option := arguments.match(r"-([a-z]+)(\d*)(?=\s|$)"):
        if option[1] not in ("r", "v", "n", "g"):
            raise ExpressionError(f"Syntax error at '-{option[1][:60]}'", "dx [-r2] Expression")
        if option[1] == "g":
            raise UnsupportedError("grids are not built", "dx EXPRESSION's .df is a DataFrame")
        depth = min(int(option[2] or 1), 9) if option[1] == "r" else depth
    text = arguments.all()
    if not text:
        raise ExpressionError("Syntax error at '<EOL>'", "dx Expression")
    if re.search(r"@\$cursession|@\$debuggerRootNamespace|=>|\bDebugger\.", text, re.IGNORECASE):
        raise UnsupportedError(
            "the data model's objects and LINQ are not built", "kd.processes, kd.list(...) in Python"
        )
    return data_view(session, text, evaluate_cplusplus(text, session), depth)


@command(
    "r?",
    summary="Set a user variable to a C++ value; its type is kept for ??.",
    syntax="r? $t0=Expression",
    examples=("r? $t1=@$proc; ?? @$t1->UniqueProcessId",),
    tier="C",
)
def set_typed(session: Session, arguments: Arguments) -> Result:
    """Nothing to show, as with `r`."""
    while not arguments.at_end:
        found = arguments.match(r"@?\$(t1?\d)\s*=\s*")
        if found is None:
            raise ExpressionError(f"Bad register error at 'r? {arguments.text[:60]}'", "r? sets $t0 to $t19")
        value, rest = parse_leading_cplusplus(arguments.rest, session)
        arguments.rest = rest.lstrip(" ,")
        session.variables[found[1]] = value.number_or_address()
        session.environment.typed[found[1]] = value
    return Text("")


@command(
    ".expr",
    summary="Show or choose how expressions are read: as MASM or as C++.",
    syntax=".expr [/s masm|c++] [/q]",
    details="Whatever is chosen, ?? is C++, @@masm(...) is MASM and @@c++(...) is C++. /q shows what there is.",
    examples=(".expr", ".expr /s masm", ".expr /q"),
    tier="C",
    needs_stop=False,
)
def choose_evaluator(session: Session, arguments: Arguments) -> Result:
    """The evaluator in force."""
    options = arguments.options({"s": True, "q": False})
    arguments.finish()
    if "s" in options:
        chosen = options["s"].lower()
        if chosen not in _EVALUATORS:
            raise ExpressionError(f"Syntax error at '{options['s'][:60]}'", "masm or c++")
        session.environment.is_cplusplus = chosen == "c++"
    current = _EVALUATORS["c++" if session.environment.is_cplusplus else "masm"]
    lines = [f"Current expression evaluator: {current}"]
    if "q" in options:
        lines = ["Available expression evaluators:", *_EVALUATORS.values(), *lines]
    return Text("\n".join(lines))
