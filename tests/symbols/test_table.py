from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kdnb.symbols.table import EMPTY_TABLE, Symbol, SymbolTable

TABLE = SymbolTable(
    [(0x1000, "KeBugCheckEx"), (0x1200, "KeBugCheck2"), (0x1200, "_Alias"), (0x3000, "ExFreePool")], "export symbols"
)


def test_nearest_is_the_last_symbol_at_or_below() -> None:
    assert TABLE.nearest(0x1000) == ("KeBugCheckEx", 0)
    assert TABLE.nearest(0x11FF) == ("KeBugCheckEx", 0x1FF)
    assert TABLE.nearest(0x9999) == ("ExFreePool", 0x6999)
    assert TABLE.nearest(0xFFF) is None


def test_plain_names_win_over_decorated_ones_and_procedures_over_both() -> None:
    assert TABLE.nearest(0x1200) == ("KeBugCheck2", 0)
    table = SymbolTable([Symbol(0x10, "Aaa"), Symbol(0x10, "Zzz", 20, True)])
    assert table.nearest(0x10) == ("Zzz", 0)
    assert [symbol.name for symbol in table.at(0x10)] == ["Zzz", "Aaa"]


def test_lookup_ignores_case_unless_a_name_is_spelled_exactly_so() -> None:
    assert TABLE.lookup("kebugcheckex") == 0x1000
    assert TABLE.lookup("absent") is None
    table = SymbolTable([(1, "add"), (2, "ADD")])
    assert (table.lookup("add"), table.lookup("ADD")) == (1, 2)


def test_search_takes_wildcards_and_gives_symbols_by_address() -> None:
    assert [symbol.name for symbol in TABLE.search("kebugcheck*")] == ["KeBugCheckEx", "KeBugCheck2"]
    assert [symbol.name for symbol in TABLE.search("exfreepool")] == ["ExFreePool"]
    assert [symbol.name for symbol in TABLE.search("_alias")] == ["_Alias"]
    assert TABLE.search("?") == []


def test_the_next_symbol_is_for_ln() -> None:
    after = TABLE.next_symbol(0x1000)
    assert after is not None
    assert after.rva == 0x1200
    assert TABLE.next_symbol(0x3000) is None


def test_a_table_says_where_its_symbols_come_from() -> None:
    assert TABLE.source == "export symbols"
    assert EMPTY_TABLE.source == "no symbols"
    assert EMPTY_TABLE.nearest(5) is None
    assert EMPTY_TABLE.search("*") == []


@given(
    st.lists(st.tuples(st.integers(0, 50), st.text("abAB_", min_size=1, max_size=3)), max_size=30), st.integers(0, 60)
)
def test_nearest_and_lookup_agree_with_a_plain_search(symbols: list[tuple[int, str]], rva: int) -> None:
    table = SymbolTable(symbols)
    below = [place for place, _ in symbols if place <= rva]
    found = table.nearest(rva)
    assert (found is None) == (not below)
    if found:
        assert found[1] == rva - max(below)
        assert (max(below), found[0]) in symbols
    for place, name in symbols:
        assert table.lookup(name) in {other for other, same in symbols if same == name}
        assert name in {symbol.name for symbol in table.at(place)}
