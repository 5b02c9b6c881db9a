"""`dt` on the simulated machine, whose PDB has types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.types import TypeDump, TypeDumps, TypeNames

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_a_layout_has_offsets_names_and_types(session: Session) -> None:
    assert to_text(execute(session, "dt nt!_LIST_ENTRY")[0]).split("\n") == [
        "   +0x000 Flink            : Ptr64 _LIST_ENTRY",
        "   +0x008 Blink            : Ptr64 _LIST_ENTRY",
    ]


def test_an_address_gives_the_values(session: Session) -> None:
    (value,) = execute(session, "dt nt!_LIST_ENTRY nt!PsLoadedModuleList")
    assert isinstance(value, TypeDump)
    assert value["flink"] == session.evaluate("poi(nt!PsLoadedModuleList)")


def test_fields_can_be_chosen_by_name_or_beginning(session: Session) -> None:
    (value,) = execute(session, "dt nt!_LIST_ENTRY Bl* nt!PsLoadedModuleList")
    assert isinstance(value, TypeDump)
    assert [field.name for field in value] == ["Blink"]


def test_the_current_process_has_a_name(session: Session) -> None:
    (value,) = execute(session, "dt nt!_EPROCESS ImageFileName UniqueProcessId @$proc")
    assert isinstance(value, TypeDump)
    assert {field.name for field in value} == {"ImageFileName", "UniqueProcessId"}
    assert ' : [15]  "' in to_text(value) or ' : [16]  "' in to_text(value)


def shown(session: Session, command: str) -> list[str]:
    return to_text(execute(session, command)[0]).split("\n")


def test_a_dot_opens_a_field_and_a_path_leads_into_one(session: Session) -> None:
    assert shown(session, "dt nt!_KAPC_STATE ApcListHead Process.Header.Type.") == [
        "   +0x000 ApcListHead      : [2] _LIST_ENTRY",
        "   +0x020 Process          : ",
        "      +0x000 Header           : ",
        "         +0x000 Type             : UChar",
    ]
    assert shown(session, "dt nt!_ETHREAD Tcb.ApcState.")[:3] == [
        "   +0x000 Tcb              : ",
        "      +0x098 ApcState         : _KAPC_STATE",
        "         +0x000 ApcListHead      : [2] _LIST_ENTRY",
    ]


def test_r_opens_structs_and_follows_pointers_and_b_does_not(session: Session) -> None:
    followed = execute(session, "dt -r1 nt!_KAPC_STATE")[0]
    contiguous = execute(session, "dt -b nt!_KAPC_STATE")[0]
    assert isinstance(followed, TypeDump)
    assert isinstance(contiguous, TypeDump)
    assert "DirectoryTableBase" in {field.name for field in followed if field.depth == 1}
    assert all(field.depth == 0 for field in contiguous)
    (deep,) = execute(session, "dt -r nt!_EPROCESS nt!PsIdleProcess")
    assert isinstance(deep, TypeDump)
    assert len(deep.fields) <= 8192


def test_pointers_are_followed_to_what_lies_there(session: Session) -> None:
    (value,) = execute(session, "dt nt!_KTHREAD Process.Header. @$thread")
    assert isinstance(value, TypeDump)
    kinds = [field for field in value if field.depth == 2 and field.name == "Type"]
    assert [field.value for field in kinds] == [session.memory.read_u8(session.processes.current())]


def test_v_o_i_and_t_change_the_words(session: Session) -> None:
    assert shown(session, "dt -v nt!_LIST_ENTRY") == [
        "struct _LIST_ENTRY, 2 elements, 0x10 bytes",
        "   +0x000 Flink            : Ptr64 to struct _LIST_ENTRY, 2 elements, 0x10 bytes",
        "   +0x008 Blink            : Ptr64 to struct _LIST_ENTRY, 2 elements, 0x10 bytes",
    ]
    assert shown(session, "dt -oi nt!_LIST_ENTRY Flink") == ["Flink            : Ptr64 _LIST_ENTRY"]
    assert shown(session, "dt -t nt!_LIST_ENTRY Flink nt!PsActiveProcessHead")[0].endswith("Ptr64 _LIST_ENTRY")


def test_y_takes_the_beginning_of_a_field(session: Session) -> None:
    (value,) = execute(session, "dt nt!_EPROCESS -y Ima Uni")
    assert isinstance(value, TypeDump)
    assert [field.name for field in value] == ["UniqueProcessId", "ImageFileName"]


def test_l_walks_a_list_from_its_head(session: Session) -> None:
    command = "dt nt!_EPROCESS ImageFileName -l ActiveProcessLinks.Flink nt!PsActiveProcessHead"
    (value,) = execute(session, command)
    assert isinstance(value, TypeDumps)
    assert value.note == ""
    assert '"System"' in to_text(value[0])
    assert to_text(value).split("\n")[0].startswith("ActiveProcessLinks.Flink at 0x")
    first = value[0].address
    (again,) = execute(session, f"dt nt!_EPROCESS ImageFileName {first:x} -l ActiveProcessLinks")
    assert isinstance(again, TypeDumps)
    assert [dump.address for dump in again] == [dump.address for dump in value]
    (back,) = execute(session, command.replace("Flink", "Blink"))
    assert isinstance(back, TypeDumps)
    assert [dump.address for dump in back] == [dump.address for dump in value][::-1]


def test_a_name_with_a_count_gives_that_many_structs(session: Session) -> None:
    (value,) = execute(session, "dt nt!_LIST_ENTRY[2] nt!PsLoadedModuleList")
    assert isinstance(value, TypeDumps)
    assert value[1].address == (value[0].address or 0) + 16
    assert list(value.df.columns) == ["address", "Flink", "Blink"]


def test_a_variable_is_shown_by_its_own_type(session: Session) -> None:
    (value,) = execute(session, "dt nt!PsActiveProcessHead")
    assert isinstance(value, TypeDump)
    assert value["Flink"] == session.evaluate("poi(nt!PsActiveProcessHead)")
    (same,) = execute(session, f"dt 0x{session.evaluate('nt!PsActiveProcessHead'):x}")
    assert same == value
    (number,) = execute(session, "dt nt!KeTimeIncrement")
    assert isinstance(number, TypeDump)
    assert number["KeTimeIncrement"] == session.evaluate("dwo(nt!KeTimeIncrement)")
    assert shown(session, "dt -a2 nt!KiProcessorBlock")[1:][0].lstrip().startswith("[00] 0xfffff800`")


def test_the_last_name_is_a_dot(session: Session) -> None:
    execute(session, "dt nt!_UNICODE_STRING")
    assert shown(session, "dt . Length") == ["Using sym nt!_UNICODE_STRING", "   +0x000 Length           : Uint2B"]


def test_a_name_without_module_is_found_in_the_kernel(session: Session) -> None:
    assert shown(session, "dt _LIST_ENTRY") == shown(session, "dt nt!LIST_ENTRY")


def test_a_string_says_its_text_above_the_fields(session: Session) -> None:
    entry = session.evaluate("poi(nt!PsLoadedModuleList)")
    (value,) = execute(session, f"dt nt!_KLDR_DATA_TABLE_ENTRY BaseDllName. {entry:x}")
    assert '_UNICODE_STRING "ntoskrnl.exe"' in to_text(value)


def test_a_hole_costs_only_the_fields_in_it(session: Session) -> None:
    (value,) = execute(session, "dt nt!_LIST_ENTRY 0x10")
    assert isinstance(value, TypeDump)
    assert [field.text for field in value] == ["????", "????"]
    assert value.fields[0].problem == "can't read 00000000`00000010"


def test_physical_memory_can_be_looked_at(session: Session) -> None:
    (value,) = execute(session, "dt -p nt!_LIST_ENTRY 1000")
    assert isinstance(value, TypeDump)
    assert value["Flink"] == session.physical.read_u64(0x1000)


def test_variables_are_listed_with_their_addresses(session: Session) -> None:
    (value,) = execute(session, "dt nt!PsActive*")
    assert isinstance(value, TypeNames)
    assert value.variables == ((session.evaluate("nt!PsActiveProcessHead"), "nt!PsActiveProcessHead"),)
    with pytest.raises(CommandError, match="no type"):
        execute(session, "dt -t nt!PsActive*")


def test_the_layout_in_html_has_a_row_for_each_field(session: Session) -> None:
    html = execute(session, "dt nt!_LIST_ENTRY nt!PsActiveProcessHead")[0]._repr_mimebundle_()["text/html"]
    assert html.count("<tr>") == 3
    assert "Flink" in html


@pytest.mark.parametrize(
    "command",
    ["dt", "dt -q nt!_LIST_ENTRY", "dt .", "dt nt!_LIST_ENTRY -l Flink", "dt nt!_EPROCESS -l Pcb nt!PsIdleProcess"],
)
def test_bad_requests_are_one_line(session: Session, command: str) -> None:
    try:
        text = to_text(execute(session, command)[0])
    except CommandError as error:
        text = str(error)
    assert "\n" not in text
    assert text


def test_a_pattern_lists_names(session: Session) -> None:
    (value,) = execute(session, "dt nt!_KPR*")
    assert isinstance(value, TypeNames)
    assert "nt!_KPRCB" in list(value)


@pytest.mark.parametrize("command", ["dt nt!_NOSUCH", "dt nosuch!_X", "dt nt!_ZZ*", "dt nt!_LIST_ENTRY nosuch"])
def test_what_isnt_there_is_one_clear_line(session: Session, command: str) -> None:
    with pytest.raises(CommandError, match=r"not found|no type|no module|resolve"):
        execute(session, command)


def test_c_puts_all_fields_into_one_line(session: Session) -> None:
    (line,) = shown(session, "dt -c nt!_LIST_ENTRY")
    assert line == "   +0x000 Flink : Ptr64 _LIST_ENTRY   +0x008 Blink : Ptr64 _LIST_ENTRY"


def test_a_pattern_lists_types_of_a_size_or_their_layouts(session: Session) -> None:
    names = [line.strip() for line in shown(session, "dt -s 10 nt!*")]
    assert "nt!_LIST_ENTRY" in names
    assert "nt!_KPROCESS" not in names
    (layouts,) = execute(session, "dt -d nt!_LIST_E*")
    assert isinstance(layouts, TypeDumps)
    assert [dump.name for dump in layouts] == ["nt!_LIST_ENTRY"]
    assert to_text(layouts).split("\n")[0] == "nt!_LIST_ENTRY"
    with pytest.raises(CommandError, match="no type matches"):
        execute(session, "dt -s 11 nt!_LIST_E*")


def test_other_names_of_a_type_mean_it_too(session: Session) -> None:
    layout = shown(session, "dt nt!_KPCR")
    for name in ("struct _KPCR", "nt!KPCR", "ntkrnlmp!_KPCR", "ntoskrnl!_KPCR"):
        assert shown(session, f"dt {name}") == layout
    assert shown(session, "dt nt!KIRQL") == ["UChar"]


def test_a_variable_that_points_to_a_struct_shows_the_struct(session: Session) -> None:
    value = shown(session, "dt nt!PsInitialSystemProcess ImageFileName")
    address = session.evaluate("poi(nt!PsInitialSystemProcess)")
    assert value[0] == f"0x{address >> 32:08x}`{address & 0xFFFFFFFF:08x} "
    assert value[1].endswith(' "System"')
    assert "Ptr64 _EPROCESS" in shown(session, "dt -t nt!PsInitialSystemProcess")[0]


def test_a_local_variable_is_shown_by_its_type(session: Session) -> None:
    execute(session, "g nt!KeClockInterruptNotify")
    frame = session.registers.get("rcx")
    text = shown(session, "dt TrapFrame Rip")
    assert text[0] == "Local var in a register Type _KTRAP_FRAME *"
    assert text[1] == f"0x{frame >> 32:08x}`{frame & 0xFFFFFFFF:08x} "
    assert text[2].startswith("   +0x168 Rip ")


def test_functions_are_no_types(session: Session) -> None:
    with pytest.raises(CommandError, match="is a function or has no known type"):
        execute(session, "dt nt!KeBugCheckEx")


def test_an_address_may_stand_before_the_type(session: Session) -> None:
    head = session.evaluate("nt!PsActiveProcessHead")
    assert shown(session, f"dt 0x{head:x} nt!_LIST_ENTRY") == shown(session, f"dt nt!_LIST_ENTRY 0x{head:x}")
    assert len(shown(session, "dt @rsp nt!_LIST_ENTRY Flink")) == 1


def test_numbers_in_a_row_have_an_index_each(session: Session) -> None:
    first, second = session.memory.read_u32(session.evaluate("nt")), session.memory.read_u32(session.evaluate("nt+4"))
    assert shown(session, "dt -ca2 ULONG nt") == [f"[00] 0x{first:x}", f"[01] 0x{second:x}"]
    assert shown(session, "dt -ca1 . nt") == ["Using sym ULONG", f"[00] 0x{first:x}"]
    assert shown(session, "dt CHAR[8] nt+4e") == ['   CHAR             : [8]  "This pro"']


def test_elements_stand_below_their_array(session: Session) -> None:
    assert shown(session, "dt nt!_EPROCESS -a2 ImageFileName @$proc") == [
        "   +0x5a8 ImageFileName    : ",
        "    [00] 0x49 'I'",
        "    [01] 0x64 'd'",
    ]
    opened = shown(session, "dt -b nt!_KAPC_STATE ApcListHead @$thread+98")
    assert [line[:30] for line in opened[:3]] == [
        "   +0x000 ApcListHead      : ",
        "    [00]",
        "      +0x000 Flink            ",
    ]
    assert opened[4] == "    [01]"


def test_a_type_is_named_by_its_beginning_or_in_brackets(session: Session) -> None:
    layout = shown(session, "dt nt!_CLIENT_ID")
    for command in ("dt -y nt!_CLIENT", "dt -y nt!client", "dt (nt!_CLIENT_ID)", "dt -n nt!_CLIENT_ID"):
        assert shown(session, command) == layout, command
    several = shown(session, "dt -y nt!_KP")
    assert several[:2] == ["          nt!_KPCR", "          nt!_KPRCB"]
    assert "   +0x000 GdtBase " in "\n".join(several)
    with pytest.raises(CommandError, match="not found"):
        execute(session, "dt -y nt!_NOSUCH")


def test_names_are_listed_with_their_sizes(session: Session) -> None:
    lines = shown(session, "dt -s 10 -v nt!_L*")
    assert lines[0] == "Enumerating symbols matching nt!_L*, Size = 0x10"
    assert lines[1:] == ["Address            Size Symbol", f"{'':17}   010 nt!_LIST_ENTRY"]
    assert any(line.endswith("   010 nt!PsLoadedModuleList") for line in shown(session, "dt -v nt!Ps*"))
    assert not any("PspCidTable" in line for line in shown(session, "dt -s 10 nt!Ps*"))
