"""The thirty scripted sessions of the command reference, section 12: those that the simulated machine can carry.

docs/reference/scripted-sessions.md lists all thirty. Texts are what a user types; addresses that a user would copy from
the screen are put in by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import kdnb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.api import Debugger
    from kdnb.results.events import DebugPrint

TIMEOUT = 30.0


@pytest.fixture(scope="module")
def idle() -> Iterator[Debugger]:
    pytest.importorskip("unicorn", reason="needs the extra `sim`")
    with kdnb.connect("sim:", timeout=TIMEOUT) as debugger:
        debugger.session.options["go_timeout"] = TIMEOUT
        yield debugger


@pytest.fixture
def kd(idle: Debugger) -> Iterator[Debugger]:
    """The idle machine, stopped, without breakpoints."""
    yield idle
    idle.break_in(TIMEOUT)
    idle.execute("bc *; ~0s; .cxr; .process")


def run(debugger: Debugger, text: str) -> str:
    """What a cell prints."""
    return "\n".join(map(str, debugger.execute(text)))


def test_1_first_contact(kd: Debugger) -> None:
    assert "Windows 10 Kernel Version 19041" in run(kd, "vertarget")
    assert "Symbol search path is" in run(kd, ".sympath")
    run(kd, ".reload")
    assert {line.split()[2] for line in run(kd, "lm").split("\n")[1:]} >= {"nt", "disk", "ntfs", "buggy"}


def test_2_break_at_boot_and_11_driver_load() -> None:
    with kdnb.connect("sim:scenario=boot", timeout=TIMEOUT) as boot:
        boot.session.options["go_timeout"] = TIMEOUT
        run(boot, "sxe ibp")
        assert "(Initial Breakpoint requested)" in run(boot, ".reboot")
        assert [line.split()[2] for line in run(boot, "lm").split("\n")[1:]] == ["nt"]
        assert "nt!IoInitSystem" in run(boot, "k")
        run(boot, "sxd ibp; sxe ld:disk")
        run(boot, ".reboot; g")
        assert "disk" in run(boot, "lm m disk")
        assert "ntfs" not in run(boot, "lm")
        assert "nt!IoInitSystem" in run(boot, "k")
        run(boot, "bu disk!DriverEntry; sxd ld:disk")
        assert "disk!DriverEntry:" in run(boot, "g")
        assert " \\Driver\\disk" in run(boot, "!drvobj @rcx")


def test_3_break_into_a_running_system(kd: Debugger) -> None:
    run(kd, "bc *")
    kd.go(wait=False)
    kd.break_in(TIMEOUT)
    assert "rip=" in run(kd, "r")
    assert "nt!DbgBreakPointWithStatus" in run(kd, "k")
    run(kd, "~1s")
    assert "nt!KiIdleLoop" in run(kd, "k")


def test_4_function_breakpoint(kd: Debugger) -> None:
    run(kd, "bp nt!NtCreateFile")
    assert "nt!NtCreateFile" in run(kd, "bl")
    stopped = run(kd, "g")
    assert stopped.startswith("Breakpoint 0 hit")
    assert "nt!NtCreateFile:" in stopped
    assert "nt!KiSystemServiceCopyEnd" in run(kd, "k")
    assert kd.registers.rip == kd.evaluate("nt!NtCreateFile")
    run(kd, "bc *")


def test_5_read_the_arguments(kd: Debugger) -> None:
    run(kd, "bp nt!NtCreateFile; g")
    assert "_UNICODE_STRING" in run(kd, "dt nt!_OBJECT_ATTRIBUTES @r8")
    assert "\\" in run(kd, "dS poi(@r8+10)")
    run(kd, "bc *; gu")
    assert "= 00000000`00000000" in run(kd, "? @$retreg")
    assert "success" in run(kd, "!error @rax")


def test_6_trace_without_stopping(kd: Debugger) -> None:
    said: list[str] = []

    def listen(event: DebugPrint) -> None:
        if "open" in event.text:
            said.append(event.text)

    kd.events.on_print(listen)
    run(kd, 'bp nt!NtCreateFile ".printf \\"open %msu\\\\n\\", poi(@r8+10); gc"')
    while not said:
        kd.go(timeout=0.5)
        kd.break_in(TIMEOUT)
    run(kd, "bc *")
    kd.events.on_print.remove(listen)
    assert "open \\" in "".join(said)


def test_7_conditional_stop(kd: Debugger) -> None:
    run(kd, 'bp nt!IofCallDriver ".if (@rcx == poi(disk!DiskDevice)) {k 3} .else {gc}"')
    assert "nt!IofCallDriver:" in run(kd, "g")
    assert kd.evaluate("@rcx == poi(disk!DiskDevice)") == 1


def test_8_one_process_only(kd: Debugger) -> None:
    notepad = kd.processes["notepad.exe"]
    assert "Image: notepad.exe" in run(kd, "!process 0 0 notepad.exe")
    run(kd, f"bp /p {notepad.address:x} nt!NtReadFile; g")
    shown = run(kd, "!process -1 0")
    assert "Image: notepad.exe" in shown
    assert kd.evaluate("@$proc") == notepad.address


def test_9_step_and_watch(kd: Debugger) -> None:
    run(kd, "bp nt!NtCreateFile; g; bc *")
    assert "call    nt!IopCreateFile" in run(kd, "p")
    assert "ret" in run(kd, "p 3")
    run(kd, "t")
    assert run(kd, "r rax").startswith("rax=")
    assert "call" in run(kd, "pc")
    assert "nt!Zw" in run(kd, "t")
    assert "nt!Psp" in run(kd, "gu")


def test_10_data_breakpoint(kd: Debugger) -> None:
    assert "nt!ExpWorkItems" in run(kd, "x nt!ExpWorkItems")
    run(kd, "ba w4 nt!ExpWorkItems; g")
    assert "nt!ExpWorkerThread" in run(kd, "k")
    assert "add     qword ptr [nt!ExpWorkItems" in run(kd, "ub @rip L3").split("\n")[-1]


@pytest.mark.parametrize("arch", ["amd64", "x86"])
def test_11_driver_load_while_the_system_runs(arch: str) -> None:
    with kdnb.connect(f"sim:scenario=driverload,arch={arch}", timeout=TIMEOUT) as debugger:
        debugger.session.options["go_timeout"] = TIMEOUT
        debugger.break_in(TIMEOUT)
        run(debugger, "sxe ld:echo")
        for _ in range(2):  # the breakpoint comes back when the driver does
            assert "echo.sys" in run(debugger, "g")
            assert "echo" in run(debugger, "lm m echo")
            assert "nt!NtLoadDriver" in run(debugger, "k")
            run(debugger, "bu echo!DriverEntry")
            assert "echo!DriverEntry:" in run(debugger, "g")
            driver = "@rcx" if arch == "amd64" else "poi(@esp+4)"
            assert "ip=" in run(debugger, "r")
            assert " \\Driver\\echo" in run(debugger, f"!drvobj {driver}")
            run(debugger, "sxe ud:echo")
            assert "echo.sys" in run(debugger, "g")
            assert "echo" not in run(debugger, "lmo")
            assert "nt!NtUnloadDriver" in run(debugger, "k")


def test_12_inspect_a_driver_object(kd: Debugger) -> None:
    driver = run(kd, "!drvobj disk 3")
    assert "[03] IRP_MJ_READ" in driver
    assert "disk!DiskDispatchReadWrite" in driver
    assert "AttachedTo (Lower)" in run(kd, "!devobj \\Ntfs")
    stack = run(kd, "!devstack \\Ntfs").split("\n")
    assert stack[1].startswith("> ")
    assert "\\Driver\\disk" in stack[2]
    assert "DriverName" in run(kd, "dt nt!_DRIVER_OBJECT poi(poi(disk!DiskDevice)+8)")
    assert "disk!DiskDispatchReadWrite:" in run(kd, "u disk!DiskDispatchReadWrite L3")


def test_13_object_namespace(kd: Debugger) -> None:
    assert "DosDevices" in run(kd, "!object \\")
    assert "Harddisk0" in run(kd, "!object \\Device")
    assert "buggy" in run(kd, "!object \\Driver")
    assert "Target String is '\\Device\\Harddisk0\\DR0'" in run(kd, "!object \\DosDevices\\C:")


def test_14_walk_the_process_list_by_hand(kd: Debugger) -> None:
    head = kd.evaluate("nt!PsActiveProcessHead")
    assert run(kd, "dl nt!PsActiveProcessHead 5").count("\n") == 4
    offset = run(kd, "dt nt!_EPROCESS ActiveProcessLinks").split()[0]
    by_hand = run(kd, f'!list -x "da @$extret-{offset[3:]}+5a8" poi(0x{head:x})')
    for process in kd.processes:
        assert f'"{process.image}"' in by_hand


def test_15_change_a_kernel_variable(kd: Debugger) -> None:
    before = run(kd, "dd nt!NtGlobalFlag L1")
    run(kd, "ed nt!NtGlobalFlag 2")
    assert run(kd, "dd nt!NtGlobalFlag L1").endswith("00000002")
    run(kd, "ed nt!NtGlobalFlag 0")
    assert run(kd, "dd nt!NtGlobalFlag L1") == before


def test_16_debug_output(kd: Debugger) -> None:
    said: list[str] = []

    def listen(event: DebugPrint) -> None:
        said.append(event.text)
        if len(said) == 4:
            kd.session.request_break()

    kd.events.on_print(listen)
    run(kd, "bp nt!NtCreateFile; g; g; g; bc *")
    assert not said, "DbgPrint is shown only where the mask lets it"
    run(kd, "ed nt!Kd_DEFAULT_MASK 0xf; g")
    run(kd, "ed nt!Kd_DEFAULT_MASK 0")
    kd.events.on_print.remove(listen)
    assert set(said) <= {
        "ntfs: opened \\??\\C:\\Users\\kd\\notes.txt\n",
        "ntfs: opened \\SystemRoot\\System32\\config\\SYSTEM.LOG\n",
    }
    assert len(said) >= 4


def test_17_address_translation(kd: Debugger) -> None:
    assert run(kd, "r cr3").startswith("cr3=")
    physical = int(run(kd, "!vtop 0 nt").rstrip(".").split()[-1], 16)
    assert "contains" in run(kd, "!pte nt")
    assert run(kd, f"!dq {physical:x} L2").split()[-2:] == run(kd, "dq nt L2").split()[-2:]


def test_18_system_call_entry(kd: Debugger) -> None:
    entry = run(kd, "rdmsr c0000082").split()[-1]
    assert "nt!KiSystemCall64" in run(kd, f"u {entry} L2")
    assert "nt!KiSystemCall64" in run(kd, f"ln {entry}")
    assert "nt!KiServiceTable" in run(kd, "dps nt!KeServiceDescriptorTable L4")


def test_18_system_call_entry_of_x86() -> None:
    with kdnb.connect("sim:arch=x86", timeout=TIMEOUT) as debugger:
        debugger.break_in(TIMEOUT)
        entry = run(debugger, "rdmsr 176").split("`")[-1]
        assert "nt!KiFastCallEntry" in run(debugger, f"ln {entry}")
        assert "nt!KiSystemService" in run(debugger, "!idt 2e")
        assert "nt!KiServiceTable" in run(debugger, "dps nt!KeServiceDescriptorTable L4")


def test_19_interrupt_table(kd: Debugger) -> None:
    assert "nt!KiDivideErrorFault" in run(kd, "!idt")
    assert "nt!KiBreakpointTrap" in run(kd, "!idt 3")
    assert "nt!KiBreakpointTrap:" in run(kd, "uf nt!KiBreakpointTrap")
    assert "gdtr=" in run(kd, "rM 100")
    assert "0010" in run(kd, "dg 10")


def test_20_cpu_structures(kd: Debugger) -> None:
    assert "CurrentThread" in run(kd, "!pcr")
    assert "Threads--  Current " in run(kd, "!prcb")
    assert "CurrentPrcb" in run(kd, "dt nt!_KPCR @$pcr")
    assert kd.struct("nt!_KPRCB", "@$prcb").CurrentThread == kd.evaluate("@$thread")
    assert "IRQL" in run(kd, "!irql")


def test_21_who_waits_for_what(kd: Debugger) -> None:
    assert "Blocked" in run(kd, "!stacks 0")
    waiter = kd.processes["smss.exe"].threads[0]
    shown = run(kd, f"!thread {waiter.address:x}")
    assert "WAIT: (UserRequest) UserMode Non-Alertable" in shown
    assert "NotificationEvent" in shown
    assert "Implicit thread is now" in run(kd, f".thread {waiter.address:x}")
    assert "nt!PspWaitingThread" in run(kd, "k")
    assert "Last set context:" in run(kd, "r")
    assert "Implicit thread is now" in run(kd, ".thread")
    assert "nt!PspWaitingThread" not in run(kd, "k")


@pytest.mark.parametrize("architecture", ["amd64", "x86"])
def test_22_deadlock(architecture: str) -> None:
    with kdnb.connect(f"sim:arch={architecture},scenario=deadlock", timeout=TIMEOUT) as hung:
        hung.session.options["go_timeout"] = TIMEOUT
        while not (locks := hung.execute("!locks")[0]).deadlocks:
            hung.go(timeout=0.5)
            hung.break_in(TIMEOUT)
        running = run(hung, "!running -it")
        assert "System Processors:  (" in running
        assert "nt!KiIdleLoop" in running
        shown = str(locks)
        assert shown.startswith("**** DUMP OF ALL RESOURCE OBJECTS ****\nKD: Scanning for held locks.\n\nResource @ ")
        assert "    Exclusively owned\n" in shown
        assert "     Threads Waiting On Exclusive Access:\n" in shown
        assert shown.count("-01<*>") == locks.held == 2
        volume, file = (next(each for each in locks if each.is_exclusive is kind) for kind in (True, False))
        assert "ntfs!NtfsVcb" in volume.symbol
        (saver,), (reader,) = volume.owners, file.owners
        assert saver.thread in file.exclusive_waiters
        assert reader.thread in volume.shared_waiters
        owner = run(hung, f"!thread {saver.thread:x}")
        assert "WAIT: (WrResource) KernelMode Non-Alertable" in owner
        assert "Image:         explorer.exe" in owner
        assert "ntfs!NtfsAcquireForWrite" in owner
        process = hung.processes["explorer.exe"]
        assert f"{process.address:x}" in run(hung, f".process /p /r {process.address:x}").replace("`", "")
        assert hung.read(f"{process.peb:x}", 8)
        assert "ntfs!NtfsAcquireForRead" in run(hung, f".thread {reader.thread:x}; k")


def test_23_user_mode_breakpoint(kd: Debugger) -> None:
    address = run(kd, "!process 0 0 notepad.exe").split()[1]
    assert "press 'g' <enter>" in run(kd, f".process /i {address}")
    assert "nt!DbgBreakPointWithStatus:" in run(kd, "g")
    assert "Image: notepad.exe" in run(kd, "!process -1 0")
    assert run(kd, ".reload /user") == "Loading User Symbols\n.."
    names = [line.split()[2] for line in run(kd, "lm").split("\n")[1:]]
    assert names == ["notepad", "ntdll", "nt", "disk", "ntfs", "buggy"]
    run(kd, "bp ntdll!NtCreateFile")
    for _ in range(2):
        assert "Breakpoint 0 hit\nntdll!NtCreateFile:" in run(kd, "g")
        assert f"PROCESS {address}" in run(kd, "!process -1 0")
        assert "cs=0033" in run(kd, "r")
        stack = run(kd, "k")
        assert [name in stack for name in ("notepad!OpenFile", "ntdll!RtlUserThreadStart")] == [True, True]
    run(kd, "bc 0; bp nt!NtCreateFile; g")
    stack = run(kd, "kc").split("\n")
    assert [line.split()[1].partition("+")[0] for line in stack[1:5]] == [
        "nt!NtCreateFile", "nt!KiSystemServiceCopyEnd", "ntdll!NtCreateFile", "notepad!OpenFile",
    ]  # fmt: skip


def test_24_irp_chase(kd: Debugger) -> None:
    run(kd, "bp disk!DiskDispatchReadWrite; g")
    irp = run(kd, "!irp @rdx").split("\n")
    (current,) = [number for number, line in enumerate(irp) if line.startswith(">")]
    assert irp[current].startswith(">[IRP_MJ_")
    assert irp[current + 2].split() == ["\\Driver\\disk", "ntfs!NtfsSingleSyncCompletionRoutine"]
    stack = run(kd, "!devstack @rcx")
    assert f"> {kd.registers.rcx:016x} \\Driver\\disk" in stack
    assert '  DeviceInst is "ROOT\\DISK\\0000"\n  ServiceName is "disk"' in stack
    thread = run(kd, "!thread")
    assert f"IRP List:\n    {kd.registers.rdx:016x}: (0006," in thread
    assert "disk!DiskDispatchReadWrite" in thread


def test_25_patch_out_a_check(kd: Debugger) -> None:
    place = kd.evaluate("buggy!BuggySumList")
    before = kd.read(place, 3)
    run(kd, "eb buggy!BuggySumList 31 c0 c3")
    assert "ret" in run(kd, "u buggy!BuggySumList L2")
    kd.write(place, before)
    assert kd.read(place, 3) == before


def test_26_search_for_a_tag(kd: Debugger) -> None:
    hits = run(kd, 's -[1]a nt L?16000 "PSINIT"').split()
    dumps = run(kd, '.foreach (h { s -[1]a nt L?16000 "PSINIT" }) { db h L20 }')
    assert hits
    assert dumps.count("PSINIT: system p") == len(hits)


def test_27_bug_check_live() -> None:
    with kdnb.connect("sim:scenario=bugcheck", timeout=TIMEOUT) as crashed:
        crashed.session.options["go_timeout"] = TIMEOUT
        assert "DRIVER_IRQL_NOT_LESS_OR_EQUAL" in run(crashed, "g")
        assert "Bugcheck code 000000D1" in run(crashed, ".bugcheck")
        analysis = run(crashed, "!analyze -v")
        assert "buggy!BuggySumList" in analysis
        frame = next(frame.trap_frame for frame in crashed.stack() if frame.trap_frame)
        assert "buggy!BuggySumList" in run(crashed, f".trap {frame:x}")
        assert "buggy!BuggyProcessList" in run(crashed, "kb")


def test_27_crash_command() -> None:
    with kdnb.connect("sim:", timeout=TIMEOUT) as crashed:
        assert "MANUALLY_INITIATED_CRASH" in run(crashed, ".crash") + run(crashed, "!analyze -v")


@pytest.mark.parametrize("arch", ["amd64", "x86"])
def test_28_exception_context(arch: str) -> None:
    with kdnb.connect(f"sim:scenario=exception,arch={arch}", timeout=TIMEOUT) as crashed:
        crashed.session.options["go_timeout"] = TIMEOUT
        assert "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED" in run(crashed, "g")
        assert "Bugcheck code 0000007E" in run(crashed, ".bugcheck")
        analysis = run(crashed, "!analyze -v")
        assert "FAULTING_IP:\nbuggy!BuggyReportOwner+" in analysis
        assert "FAILURE_BUCKET_ID:  AV_buggy!BuggyReportOwner" in analysis
        _, where, record, context = (crashed.evaluate(f"poi(nt!KiBugCheckData+{n}*@$ptrsize)") for n in range(1, 5))
        shown = run(crashed, f".exr {record:x}")
        assert f"ExceptionAddress: {where:x} (buggy!BuggyReportOwner+" in shown
        assert "Attempt to read from address 0000" in shown
        assert "buggy!BuggyReportOwner+" in run(crashed, f".cxr {context:x}")
        assert run(crashed, "r").startswith("Last set context:")
        assert crashed.evaluate("@$ip") == where
        assert "ptr [" in run(crashed, "u @$ip L1")
        stack = run(crashed, "kv")
        assert "nt!KiDispatchException" not in stack
        assert stack.index("buggy!BuggyWorker") < stack.index("nt!PspSystemThreadStartup")
        assert run(crashed, ".cxr") == "Resetting default scope"
        assert "nt!PspUnhandledExceptionInSystemThread" in run(crashed, "k")


def test_28_exception_context_of_a_system_service() -> None:
    with kdnb.connect("sim:scenario=serviceexception", timeout=TIMEOUT) as crashed:
        crashed.session.options["go_timeout"] = TIMEOUT
        assert "SYSTEM_SERVICE_EXCEPTION" in run(crashed, "g")
        assert "Bugcheck code 0000003B" in run(crashed, ".bugcheck")
        analysis = run(crashed, "!analyze -v")
        assert "FAULTING_IP:\nbuggy!BuggyReportOwner+" in analysis
        assert "PROCESS_NAME:  notepad.exe" in analysis
        assert "buggy!BuggyReportOwner+" in run(crashed, ".cxr poi(nt!KiBugCheckData+3*@$ptrsize)")
        stack = run(crashed, "kv")
        assert stack.index("buggy!BuggyReadHook") < stack.index("nt!NtReadFile") < stack.index("nt!KiSystemServiceCopy")
        assert run(crashed, ".cxr") == "Resetting default scope"
        assert "nt!KiSystemServiceHandler" in run(crashed, "k")


def test_29_double_fault_on_x86() -> None:
    with kdnb.connect("sim:scenario=doublefault,arch=x86", timeout=TIMEOUT) as crashed:
        crashed.session.options["go_timeout"] = TIMEOUT
        assert "UNEXPECTED_KERNEL_MODE_TRAP" in run(crashed, "g")
        assert "Arguments 00000008 " in run(crashed, ".bugcheck")
        assert run(crashed, "kv").endswith("nt!KiTrap08+0x1d (FPO: TaskGate 28:0)")
        assert "FAULTING_IP:\nbuggy!BuggyCountItems+" in run(crashed, "!analyze -v")
        assert "buggy!BuggyCountItems+" in run(crashed, ".tss 28")
        assert run(crashed, "r").startswith("Last set context:")
        assert run(crashed, "kv").count("buggy!BuggyCountItems+") > 200
        thread = run(crashed, "!thread")
        limit = int(thread.partition(" Limit ")[2].split()[0], 16)
        assert limit <= crashed.evaluate("@esp") & 0xFFFFFFFF < limit + 16, "the stack is used up"
        assert run(crashed, "dps @esp L40").count("buggy!BuggyCountItems+") > 15
        assert run(crashed, ".tss") == "Resetting default scope"


def test_30_scripted_triage_cell(kd: Debugger) -> None:
    results = kd.execute("vertarget; .bugcheck; !analyze -v; ~0s; k; ~1s; k; lm")
    assert len(results) == 8
    assert results[4].df["symbol"].str.contains("nt!").any()
    assert "nt" in {module.name for module in kd.modules}
