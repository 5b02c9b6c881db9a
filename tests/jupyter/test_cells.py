"""The decision table of cells, line by line."""

from __future__ import annotations

import pytest

from kdnb.jupyter.cells import decide, rewrite
from kdnb.jupyter.extension import COMMAND_WORDS as WORDS

COMMANDS = [
    "k", "kv", "kL", "lmv", "k 5", "k5 L3 4", "r", "r rax=5", "r rax, rbx", "r $t0 = 5", "g", "g; k", "g &",
    "p 3", "x nt!*Create*", "x",
    "d - 5", "u . L3", "u nt!X L2", "dd nt!x", "dd@rsp", "dd @rsp L4", "db nt L40", "bp nt!KeBugCheckEx",
    'bp nt!X ".echo hit; gc"', "bl", "bc *", "ed rsp 0", "ed nt!NtGlobalFlag 2", "? 8+8", "? nt!X", ".reload /f",
    "?? @$proc", "?? sizeof(int)",
    ".unknown", "!irql", "!dd 1000 L4", "~0s", "~1s", "1k", "$$ a comment", "* a comment", "* comment",
    "*comment", "lm m nt",
    "!locks", "!poolused 2", ".shell dir", "connect sim:", "ln .", "vertarget; lm; bl", "db (nt)", "k;", "dps @rsp L8",
]  # fmt: skip
PYTHON = [
    "", "# k", "k = 3", "k: int = 3", "k += 1", "import os", "x, y = 1, 2", "print('k')", "for k in range(3): pass",
    "%kd r", "%%kd", "regs = %kd r", "r = %kd r", "out = !ls", "!ls", "!df", "k?", "bp?", "?k", "??k", "?? k", "hex(5)",
    "~0",
    ".5 + 1", "kd.read(1, 2)", "[k for k in x]", "unknown", "p2", "k5", "x1 + 1", "'k'", "@decorator",
    "*a, b = 1, 2", "*k, r",
    "def k(): pass", "    k", "lambda: k", "5 + 5", "-k", "(k)", "help()", "k = 5; k",
]  # fmt: skip
HIDDEN = ["k", "d - 5", "g; k", "x", "k()", "db (nt)", "x[0]", "r.rip", "p == 3"]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_line_that_only_a_debugger_could_mean_is_a_command(line: str) -> None:
    assert decide(line, WORDS, set())


@pytest.mark.parametrize("line", PYTHON)
def test_a_line_that_python_or_ipython_understands_stays(line: str) -> None:
    assert not decide(line, WORDS, set())


@pytest.mark.parametrize("line", HIDDEN)
def test_a_bound_python_name_hides_a_command(line: str) -> None:
    assert not decide(line, WORDS, {"k", "d", "g", "x", "db", "r", "p"})


@pytest.mark.parametrize("line", ["k 5", "dd nt!x", "r rax=5", "bp nt!X"])
def test_what_cannot_be_python_is_a_command_even_where_the_word_is_bound(line: str) -> None:
    assert decide(line, WORDS, {"k", "dd", "r", "bp"})


def rewritten(cell: str, bound: set[str] | None = None) -> str:
    return "".join(rewrite(cell.splitlines(keepends=True), WORDS, bound or set()))


def test_the_last_command_becomes_the_value_and_the_others_are_shown() -> None:
    assert rewritten("bp nt!X\ng\nk\n") == (
        "get_ipython().run_line_magic('kd_show', 'bp nt!X')\n"
        "get_ipython().run_line_magic('kd_show', 'g')\n"
        "get_ipython().run_line_magic('kd', 'k')\n"
    )


def test_a_command_before_python_is_shown() -> None:
    assert rewritten("k\nx = 1\n") == "get_ipython().run_line_magic('kd_show', 'k')\nx = 1\n"


def test_a_name_bound_earlier_in_the_cell_hides_a_command() -> None:
    assert rewritten("k = 3\nk\n") == "k = 3\nk\n"
    assert rewritten("r = %kd r\nr\n") == "r = %kd r\nr\n"
    assert rewritten("for k in range(2):\n    pass\nk\n") == "for k in range(2):\n    pass\nk\n"


@pytest.mark.parametrize(
    "cell",
    [
        "f(\nk\n)\n",
        'text = """\nk\nr\n"""\n',
        "if True:\n    k\n",
        "values = [\n    1,\nk,\n]\n",
        "%%kd\nk\nr\n",
        "%%time\nk\n",
        "total = 1 + \\\nk\n",
    ],
)
def test_lines_inside_brackets_strings_blocks_and_cell_magics_are_left_alone(cell: str) -> None:
    assert rewritten(cell) == cell


def test_a_pasted_prompt_is_taken_off() -> None:
    assert rewritten("0: kd> k\n") == "get_ipython().run_line_magic('kd', 'k')\n"


def test_quotes_in_a_command_survive() -> None:
    text = 'bp nt!X ".echo \\"it\'s\\"; gc"'
    source = rewritten(text + "\n")
    call = compile(source, "cell", "eval")
    seen: list[str] = []
    shell = type("Shell", (), {"run_line_magic": lambda self, name, line: seen.append(line)})()
    eval(call, {"get_ipython": lambda: shell})
    assert seen == [text]


def test_the_design_example_runs_commands_and_python_in_one_cell() -> None:
    cell = "%kd connect sim:\nbp nt!KeBugCheckEx\ng\nk\nregs = %kd r\nhex(regs.rip)\n"
    assert rewritten(cell).splitlines() == [
        "%kd connect sim:",
        "get_ipython().run_line_magic('kd_show', 'bp nt!KeBugCheckEx')",
        "get_ipython().run_line_magic('kd_show', 'g')",
        "get_ipython().run_line_magic('kd_show', 'k')",
        "regs = %kd r",
        "hex(regs.rip)",
    ]


@pytest.mark.parametrize("comment", ["# why", '"""why"""', "# k"])
def test_a_comment_before_a_command_does_not_make_it_python(comment: str) -> None:
    assert rewritten(f"{comment}\nr rax\n") == f"{comment}\nget_ipython().run_line_magic('kd', 'r rax')\n"


@pytest.mark.parametrize(
    ("cell", "command"),
    [
        (".if (1) {\n  r rax\n} .else {\n  r rbx\n}\n", ".if (1) { r rax } .else { r rbx }"),
        (".foreach (t {.echo a})\n{\n  .echo t\n}\n", ".foreach (t {.echo a}) { .echo t }"),
        (".block\n{\n  k\n}\n", ".block { k }"),
    ],
)
def test_the_blocks_of_a_command_may_take_lines_of_their_own(cell: str, command: str) -> None:
    assert rewritten(cell) == f"get_ipython().run_line_magic('kd', {command!r})\n"
    assert rewritten(f"{cell}x = 1\n").endswith("\nx = 1\n")


def test_a_dict_over_several_lines_is_python_even_behind_a_command_word() -> None:
    for cell in ("d = {\n  'a': 1,\n}\n", "d = {\n  'a': ,\n}\n"):
        assert rewritten(cell) == cell


@pytest.mark.parametrize("name", ["!process", ".reload"])
def test_a_question_mark_behind_a_command_asks_for_its_help(name: str) -> None:
    assert rewritten(f"{name}?\n") == f"get_ipython().run_line_magic('kd', '.help {name}')\n"
    assert rewritten("!ls?\n") == "!ls?\n"


def test_a_name_that_the_cell_deletes_hides_no_command_any_more() -> None:
    assert rewritten("del r\nr\n", {"r"}) == "del r\nget_ipython().run_line_magic('kd', 'r')\n"
    assert rewritten("r = 1\ndel r\nr\n").endswith("run_line_magic('kd', 'r')\n")
    assert rewritten("del r\nr = 2\nr\n", {"r"}) == "del r\nr = 2\nr\n"
    assert rewritten("del r[0]\nr\n", {"r"}) == "del r[0]\nr\n"
