"""The MASM expression language (command reference, 2), on an environment of a few names and bytes."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.debugger.expression import MASK, evaluate, parse_leading
from kdnb.errors import ExpressionError, MemoryReadError, UnknownNameError, UnsupportedError

KERNEL = 0xFFFFF803_59A00000


@dataclass
class Names:
    """An environment with a page of memory at KERNEL and no target behind it."""

    pointer_size: int = 8
    instruction_pointer: int = KERNEL + 0x40
    sign_extend: bool = False
    is_cplusplus: bool = False
    symbols: dict[str, int] = field(default_factory=lambda: {"nt": KERNEL, "nt!fade": KERNEL + 0x10, "fade": 5})
    asked: list[str] = field(default_factory=list)

    def register(self, name: str) -> int | None:
        return {"rsp": KERNEL + 8, "rax": 7, "eax": 0x80000001, "r8": 0x88}.get(name)

    def pseudo_register(self, name: str) -> int | None:
        return {"t0": 0x123, "ip": self.instruction_pointer, "ptrsize": self.pointer_size}.get(name)

    def symbol(self, name: str) -> int | None:
        self.asked.append(name)
        return self.symbols.get(name.lower())

    def local(self, name: str) -> int | None:
        return KERNEL + 0x20 if name == "count" else None

    def source_line(self, module: str, file: str, line: int) -> int | None:
        return KERNEL + line if (module, file) in (("nt", "main.c"), ("", "main.c")) else None

    def function_result(self, address: int) -> str:
        return {1: "bool", 2: "HRESULT", 3: "void*", 4: "long"}.get(address, "")

    def segment(self, selector: int | str) -> int:
        known: dict[int | str, int] = {"gs": KERNEL, 0x30: 0x1000}
        if selector not in known:
            raise ExpressionError(f"no segment {selector}")
        return known[selector]

    def leading_cplusplus(self, text: str) -> tuple[int, str]:
        number, _, rest = text.partition(" ")
        return int(number), rest

    def cplusplus(self, text: str) -> int:
        raise UnsupportedError(f"{text}: no types here")

    def near(self, name: str) -> list[str]:
        return ["nt!fade"] if "fad" in name else []

    def read(self, address: int, size: int) -> bytes:
        memory = bytes(range(256))
        offset = address - KERNEL
        if not 0 <= offset <= len(memory) - size:
            raise MemoryReadError(address, size)
        return memory[offset : offset + size]

    def read_physical(self, address: int, size: int) -> bytes:
        return b"\x77" * size


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 0x10),
        ("0n10", 10),
        ("0t17", 0o17),
        ("0y101", 5),
        ("10h", 0x10),
        ("0x", 0),
        ("fffff803`59a00000", KERNEL),
        ("fffff80359a00000", KERNEL),
        ("bad + cafe", 0xBAD + 0xCAFE),
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 3 - 2", 0xB),
        ("-1", MASK),
        ("- 8 / 2", (MASK - 7) // 2),
        ("7 mod 4", 3),
        ("7 % 4", 3),
        ("0xffff<<0n48 | 0x1f1<<0n39 | 0x1f1<<0n30", (0xFFFF << 48 | 0x1F1 << 39 | 0x1F1 << 30) & MASK),
        ("1 << 2 + 1", 8),
        ("f0 & 3c = 3c", 0),
        ("f0 & (3c == 3c)", 0),
        ("1 | 2 ^ 3 & 2", 1 | (2 ^ (3 & 2))),
        ("5 and 4 or 2 xor 1", (5 & 4) | (2 ^ 1)),
        ("-1 > 1", 1),
        ("3 != 3", 0),
        ("3!=4", 1),
        ("3 <= 3", 1),
        ("-10 >>> 4", MASK),
        ("-10 >> 4", MASK >> 4),
        ("not 0", 1),
        ("not 5", 0),
        ("hi 12345678", 0x1234),
        ("low(12345678)", 0x5678),
        ("by(nt+3)", 3),
        ("wo(nt)", 0x0100),
        ("dwo nt", 0x03020100),
        ("qwo(nt)", 0x0706050403020100),
        ("poi @rsp+8", 0x0F0E0D0C0B0A0908 + 8),
        ("poi(@rsp+8)", 0x1716151413121110),
        ("$pwo(0)", 0x7777),
        ("@rax", 7),
        ("rax", 7),
        ("r8", 0x88),
        ("@$t0", 0x123),
        ("$t0 + 1", 0x124),
        (".", KERNEL + 0x40),
        (".+5", KERNEL + 0x45),
        ("$ip", KERNEL + 0x40),
        ("fade", 0xFADE),
        ("!fade", 5),
        ("nt!fade", KERNEL + 0x10),
        ("NT!FADE+1", KERNEL + 0x11),
        ('@!"nt!fade"', KERNEL + 0x10),
        ("@@masm(1+1)", 2),
        ("'A'", 0x41),
        ("'MZ'", 0x4D5A),
        (r"'\n' + 1", 11),
        (r"'\''", 0x27),
        ("by(nt+41) = 'A'", 1),
        ("$!count+1", KERNEL + 0x21),
        ("`nt!main.c:16`", KERNEL + 16),
        ("`main.c:16`+1", KERNEL + 17),
        ("gs:8", KERNEL + 8),
        ("poi(gs:8)", 0x0F0E0D0C0B0A0908),
        ("30:10", 0x1010),
        ("%rsp", KERNEL + 8),
        ("&f000:fff0", 0xFFFF0),
        ("#f000:fff0", 0xFFFF0),
        ('$scmp("a", "b")', MASK),
        ('$sicmp("A", "a")', 0),
        ('$spat("Echo.sys", "echo*")', 1),
        ("$vvalid(nt, 10)", 1),
        ("$vvalid(nt, 1000)", 0),
    ],
)
def test_an_expression_has_the_value_that_the_reference_gives(text: str, value: int) -> None:
    assert evaluate(text, Names()) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo!Bar", "Couldn't resolve error at 'foo!Bar'"),
        ("1 +", "Numeric expression missing from '<EOL>'"),
        ("", "Numeric expression missing from '<EOL>'"),
        ("1 && 2", "Numeric expression missing from '& 2'"),
        ("(1", "Syntax error at '<EOL>'"),
        ("''", "Syntax error at ''''"),
        ("'123456789'", "Syntax error at ''123456789''"),
        ("zz:1", "Syntax error at 'zz:1'"),
        ("&1", "Syntax error at '<EOL>'"),
        ("$!nosuch", "Couldn't resolve error at '$!nosuch'"),
        ("`nt!other.c:1`", "Couldn't resolve error at '`nt!other.c:1`'"),
        ("1 2", "Extra character error in '2'"),
        ("(poi(0) == 0x100) + 1", "Memory access error at '== 0x100) + 1'"),
        ("1 / 0", "Operand error at '/ 0'"),
        ("@foo", "Bad register error at '@foo'"),
        ("$nosuch", "Syntax error at '$nosuch'"),
        ("11111111111111111", "Numeric value overflow at '11111111111111111'"),
        ("~", "Syntax error at '~'"),
    ],
)
def test_a_wrong_expression_is_told_in_windbgs_words(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, Names())
    assert caught.value.message == message


def test_an_unknown_name_comes_with_close_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean nt!fade\?") as caught:
        evaluate("nt!fads", Names())
    assert caught.value.near == ("nt!fade",)


@pytest.mark.parametrize("text", ["@@c++(sizeof(int))", "@@(1)"])
def test_what_needs_types_is_refused(text: str) -> None:
    with pytest.raises(UnsupportedError):
        evaluate(text, Names())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$fnsucc(1, 100, 1)", 0),
        ("$fnsucc(1, 101, 1)", 1),
        ("$fnsucc(2, 0, 0)", 1),
        ("$fnsucc(2, 80004005, 0)", 0),
        ("$fnsucc(3, 0, 1)", 0),
        ("$fnsucc(3, 8, 1)", 1),
        ("$fnsucc(4, 8, 0)", 1),
        ("$fnsucc(4, 8, 1)", 0),
        ("$fnsucc(4, 0, 1)", 1),
        ("$fnsucc(9, 0, 0)", 0),
    ],
)
def test_success_is_told_by_the_type_and_else_by_the_flag(text: str, value: int) -> None:
    assert evaluate(text, Names()) == value


def test_registers_are_found_without_asking_for_symbols() -> None:
    names = Names()
    evaluate("rsp + @rax", names)
    assert names.asked == []


def test_a_32_bit_target_widens_constants_and_registers_with_ones() -> None:
    names = Names(pointer_size=4, sign_extend=True)
    assert evaluate("80545000", names) == 0xFFFFFFFF_80545000
    assert evaluate("0`80545000", names) == 0x80545000
    assert evaluate("@eax", names) == 0xFFFFFFFF_80000001
    assert evaluate("(@eax & 0x0`ffffffff) == 0`80000001", names) == 1
    assert evaluate("80545000", Names()) == 0x80545000


def test_the_radix_says_how_bare_numbers_read() -> None:
    assert evaluate("10", Names(), radix=10) == 10
    assert evaluate("10", Names(), radix=8) == 8
    assert evaluate("0x10", Names(), radix=10) == 16


def test_a_leading_expression_ends_where_no_operator_follows() -> None:
    assert parse_leading("nt + 8 L20", Names()) == (KERNEL + 8, "L20")
    assert parse_leading('nt 5 "k;g"', Names()) == (KERNEL, '5 "k;g"')


@st.composite
def trees(draw: st.DrawFn, depth: int = 4) -> tuple[str, int]:
    """An expression as text, with the value that Python computes for it."""
    if depth == 0 or draw(st.booleans()):
        number = draw(st.integers(0, MASK))
        spelled = draw(
            st.sampled_from([f"0x{number:x}", f"0n{number}", f"0t{number:o}", f"0y{number:b}", f"0{number:x}h"])
        )
        return spelled, number
    left, a = draw(trees(depth - 1))
    right, b = draw(trees(depth - 1))
    sign = draw(st.sampled_from(["+", "-", "*", "&", "|", "^", "<", "==", "<<", ">>", "mod"]))
    if sign == "mod" and b == 0:
        sign = "+"
    value = {
        "+": lambda: a + b,
        "-": lambda: a - b,
        "*": lambda: a * b,
        "&": lambda: a & b,
        "|": lambda: a | b,
        "^": lambda: a ^ b,
        "<": lambda: int(a < b),
        "==": lambda: int(a == b),
        "<<": lambda: a << b if b < 64 else 0,
        ">>": lambda: a >> b if b < 64 else 0,
        "mod": lambda: a % b,
    }[sign]()
    space = draw(st.sampled_from(["", " "])) if sign != "mod" else " "
    return f"({left}{space}{sign}{space}{right})", value & MASK


@given(trees())
def test_random_expressions_agree_with_python(tree: tuple[str, int]) -> None:
    text, value = tree
    assert evaluate(text, Names()) == value


@given(st.lists(st.tuples(st.sampled_from(["+", "-", "*", "|", "^", "&"]), st.integers(0, 40)), max_size=8))
def test_precedence_without_parentheses_agrees_with_pythons(terms: list[tuple[str, int]]) -> None:
    # Python orders these as MASM does: | ^ & +- * from loose to tight.
    text = "3" + "".join(f" {sign} {number}" for sign, number in terms)
    expected = eval(text) & MASK
    masm = "3" + "".join(f" {sign} 0n{number}" for sign, number in terms)
    assert evaluate(masm, Names()) == expected


@given(st.text(max_size=40))
def test_any_text_gives_a_number_or_one_clear_line(text: str) -> None:
    try:
        assert 0 <= evaluate(text, Names()) <= MASK
    except (ExpressionError, UnsupportedError) as error:
        message = str(error)
        assert len(message) < 300
