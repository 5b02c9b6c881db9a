"""Commands that WinDbg has and kdnb doesn't: known by name, so that they answer with one honest line.

Without this a cell would hand `!htrace` to the host's shell, as IPython does with `!anything`. Names that are also
programs of the host (`!df`) are left out.
"""

from __future__ import annotations

__all__ = ["NOT_BUILT"]

_EXTENSIONS = """
!alpc !apc !apic !apicerr !arbiter !blockeddrv !bushnd !ca !callback !cbreg !chkimg !cmreslist
!cs !deadlock !devext !dma !dpcs !dreg !dumpobj !errlog !errrec !exca !exqueue
!filecache !filelock !frag !gentable !heap
!htrace !imgscan !ioapic !ioresdes !ioreslist !job !logexts !lookaside !lpc !mca !memusage !mtrr !ndiskd
!numa !obtrace !pfn !pnpevent !poaction !pocaps !podev !poolval !popolicy !powertriage
!reg !runaway !session !smt !sprocess !stl !sysinfo !sysptes !timer !tz !tzinfo !ubc !ubd !ube
!ubl !ubp !usblog !verifier !vpb !whea !wsle !zombies
"""

_DOT_COMMANDS = """
.abandon .allow_image_mapping .attach .beep .bpsync .breakin .browse .childdbg .clients .cordll .create .dbgdbg
.dml_flow .dml_start .drivers .dumpcab .dvalloc .dvfree .event_code .eventlog .eventstr
.exepath .exptr .fiber .fnret .fpo .holdmem .imgscan .inline .jdinfo .kill .locale
.lsf .netuse .nvload .ofilter .opendump .pcmd .quit_lock .remote .scriptlist .scriptload .scriptrun
.scriptunload .secure .send_file .server .settings .srcfix .step_filter .tlist .ttime
.write_cmd_hist
"""

_COMMANDS = "ur ux"

NOT_BUILT: frozenset[str] = frozenset((_EXTENSIONS + _DOT_COMMANDS + _COMMANDS).split())
"""Names in lower case, with their sign."""
