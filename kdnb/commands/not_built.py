"""Commands that WinDbg has and kdnb doesn't: known by name, so that they answer with one honest line.

Without this a cell would hand `!htrace` to the host's shell, as IPython does with `!anything`. Names that are also
programs of the host (`!df`) are left out.
"""

from __future__ import annotations

__all__ = ["NOT_BUILT"]

_EXTENSIONS = """
!acl !address !alpc !apc !apic !apicerr !arbiter !blockeddrv !bushnd !ca !callback !cbreg !chkimg !cmreslist
!cpuid !cs !dblink !deadlock !devext !devnode !dflink !dlls !dma !dpcs !dreg !dumpobj !errlog
!errrec !exca !exqueue !filecache !filelock !fileobj !findstack !for_each_frame !for_each_module
!for_each_process !for_each_thread !frag !gentable !gflag !gle !heap !htrace !imgscan !ioapic !ioresdes
!ioreslist !irp !irpfind !job !logexts !lookaside !lpc !mca !memusage !mtrr !ndiskd !numa !obja !obtrace
!pcitree !pfn !pnpevent !poaction !pocaps !podev !pool !poolfind !poolused !poolval !popolicy !powertriage
!pte2va !ptov !qlocks !reg !runaway !search !session !sid !smt !sprocess !stl !str !sysinfo !sysptes !timer
!token !tz !tzinfo !ubc !ubd !ube !ubl !ubp !uniqstack !usblog !ustr !vad !validatelist !verifier !vpb !whea
!wsle !zombies
"""

_DOT_COMMANDS = """
.abandon .allow_image_mapping .asm .attach .beep .bpsync .breakin .browse .cache .chain .childdbg .clients .cls
.context .cordll .create .dbgdbg .detach .dml_flow .dml_start .drivers .dump .dumpcab .dvalloc .dvfree
.echotimestamps .effmach .enable_long_status .enable_unicode .event_code .eventlog .eventstr .exepath
.exptr .extmatch .extpath .fiber .fnret .force_tb .fpo .holdmem .imgscan .inline .jdinfo .kframes .kill .lines
.load .loadby .locale .lsf .lsp .lsrcpath .netuse .nvload .ocommand .ofilter .opendump .outmask .pcmd
.prefer_dml .prompt_allow .quit_lock .readmem .remote .scriptlist .scriptload .scriptrun .scriptunload .secure
.send_file .server .settings .shell .sleep .srcfix .srcnoisy .srcpath .step_filter .symopt .time .tlist
.ttime .unload .unloadall .write_cmd_hist .writemem .wtitle
"""

NOT_BUILT: frozenset[str] = frozenset((_EXTENSIONS + _DOT_COMMANDS).split())
"""Names in lower case, with their sign."""
