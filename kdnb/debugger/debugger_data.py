"""The kernel's debugger data block, KDDEBUGGER_DATA64: where the kernel keeps what debuggers look for (6.1, 6.2).

Its size grew with every version of Windows; a field beyond the block's own size is None. A live target presents
the block decoded (6.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from kdnb.errors import MemoryReadError
from kdnb.protocol.wire import Structure, padding, u16, u32, u64

if TYPE_CHECKING:
    from kdnb.debugger.memory import MemoryCache
    from kdnb.protocol.messages.version import VersionBody

__all__ = ["DebuggerData", "KdDebuggerData64"]

HEADER_SIZE = 0x18
MAX_SIZE = 0x400
TAG = int.from_bytes(b"KDBG", "little")


class DebuggerData:
    """The block of one target. Attributes are its fields; `get` gives None for those that it doesn't have."""

    def __init__(self, data: bytes, address: int) -> None:
        self.address = address
        self.size = len(data)
        self._record = KdDebuggerData64.decode(data.ljust(KdDebuggerData64.SIZE, b"\0"))
        self._present = {f.name for f in KdDebuggerData64.fields() if f.offset + f.size <= len(data)}

    @classmethod
    def find(cls, memory: MemoryCache, version: VersionBody, pointer_size: int) -> DebuggerData | None:
        """The block that GetVersion leads to; None where there is none or it isn't initialised yet."""
        if not version.debugger_data_list:
            return None
        mask = (1 << (8 * pointer_size)) - 1
        try:
            address = memory.read_pointer(version.debugger_data_list & mask)
            header = memory.read(address, HEADER_SIZE)
            if int.from_bytes(header[0x10:0x14], "little") != TAG:
                return None
            data = memory.read_available(address, min(int.from_bytes(header[0x14:0x18], "little"), MAX_SIZE))
        except MemoryReadError:
            return None
        found = cls(data, address)
        kernel_base = found.get("kern_base")
        return found if kernel_base is not None and kernel_base & mask == version.kernel_base & mask else None

    def get(self, name: str) -> int | None:
        """A field by name (`ps_active_process_head`); None where the block is too short for it, or it is 0."""
        return int(getattr(self._record, name)) or None if name in self._present else None


@dataclass(frozen=True, slots=True)
class KdDebuggerData64(Structure):
    """KDDEBUGGER_DATA64 up to PteBase (Windows 10); the same layout on 32-bit targets."""

    flink: Annotated[int, u64("Flink")] = 0
    blink: Annotated[int, u64("Blink")] = 0
    owner_tag: Annotated[int, u32("OwnerTag")] = 0
    size: Annotated[int, u32("Size")] = 0
    kern_base: Annotated[int, u64("KernBase")] = 0
    breakpoint_with_status: Annotated[int, u64("BreakpointWithStatus")] = 0
    saved_context: Annotated[int, u64("SavedContext")] = 0
    th_callback_stack: Annotated[int, u16("ThCallbackStack")] = 0
    next_callback: Annotated[int, u16("NextCallback")] = 0
    frame_pointer: Annotated[int, u16("FramePointer")] = 0
    pae_enabled: Annotated[int, u16("PaeEnabled")] = 0
    ki_call_user_mode: Annotated[int, u64("KiCallUserMode")] = 0
    ke_user_callback_dispatcher: Annotated[int, u64("KeUserCallbackDispatcher")] = 0
    ps_loaded_module_list: Annotated[int, u64("PsLoadedModuleList")] = 0
    ps_active_process_head: Annotated[int, u64("PsActiveProcessHead")] = 0
    psp_cid_table: Annotated[int, u64("PspCidTable")] = 0
    exp_system_resources_list: Annotated[int, u64("ExpSystemResourcesList")] = 0
    exp_paged_pool_descriptor: Annotated[int, u64("ExpPagedPoolDescriptor")] = 0
    exp_number_of_paged_pools: Annotated[int, u64("ExpNumberOfPagedPools")] = 0
    ke_time_increment: Annotated[int, u64("KeTimeIncrement")] = 0
    ke_bug_check_callback_list_head: Annotated[int, u64("KeBugCheckCallbackListHead")] = 0
    ki_bugcheck_data: Annotated[int, u64("KiBugcheckData")] = 0
    iop_error_log_list_head: Annotated[int, u64("IopErrorLogListHead")] = 0
    obp_root_directory_object: Annotated[int, u64("ObpRootDirectoryObject")] = 0
    obp_type_object_type: Annotated[int, u64("ObpTypeObjectType")] = 0
    mm_system_cache_start: Annotated[int, u64("MmSystemCacheStart")] = 0
    mm_system_cache_end: Annotated[int, u64("MmSystemCacheEnd")] = 0
    mm_system_cache_ws: Annotated[int, u64("MmSystemCacheWs")] = 0
    mm_pfn_database: Annotated[int, u64("MmPfnDatabase")] = 0
    mm_system_ptes_start: Annotated[int, u64("MmSystemPtesStart")] = 0
    mm_system_ptes_end: Annotated[int, u64("MmSystemPtesEnd")] = 0
    mm_subsection_base: Annotated[int, u64("MmSubsectionBase")] = 0
    mm_number_of_paging_files: Annotated[int, u64("MmNumberOfPagingFiles")] = 0
    mm_lowest_physical_page: Annotated[int, u64("MmLowestPhysicalPage")] = 0
    mm_highest_physical_page: Annotated[int, u64("MmHighestPhysicalPage")] = 0
    mm_number_of_physical_pages: Annotated[int, u64("MmNumberOfPhysicalPages")] = 0
    mm_maximum_non_paged_pool_in_bytes: Annotated[int, u64("MmMaximumNonPagedPoolInBytes")] = 0
    mm_non_paged_system_start: Annotated[int, u64("MmNonPagedSystemStart")] = 0
    mm_non_paged_pool_start: Annotated[int, u64("MmNonPagedPoolStart")] = 0
    mm_non_paged_pool_end: Annotated[int, u64("MmNonPagedPoolEnd")] = 0
    mm_paged_pool_start: Annotated[int, u64("MmPagedPoolStart")] = 0
    mm_paged_pool_end: Annotated[int, u64("MmPagedPoolEnd")] = 0
    mm_paged_pool_information: Annotated[int, u64("MmPagedPoolInformation")] = 0
    mm_page_size: Annotated[int, u64("MmPageSize")] = 0
    mm_size_of_paged_pool_in_bytes: Annotated[int, u64("MmSizeOfPagedPoolInBytes")] = 0
    mm_total_commit_limit: Annotated[int, u64("MmTotalCommitLimit")] = 0
    mm_total_committed_pages: Annotated[int, u64("MmTotalCommittedPages")] = 0
    mm_shared_commit: Annotated[int, u64("MmSharedCommit")] = 0
    mm_driver_commit: Annotated[int, u64("MmDriverCommit")] = 0
    mm_process_commit: Annotated[int, u64("MmProcessCommit")] = 0
    mm_paged_pool_commit: Annotated[int, u64("MmPagedPoolCommit")] = 0
    mm_extended_commit: Annotated[int, u64("MmExtendedCommit")] = 0
    mm_zeroed_page_list_head: Annotated[int, u64("MmZeroedPageListHead")] = 0
    mm_free_page_list_head: Annotated[int, u64("MmFreePageListHead")] = 0
    mm_standby_page_list_head: Annotated[int, u64("MmStandbyPageListHead")] = 0
    mm_modified_page_list_head: Annotated[int, u64("MmModifiedPageListHead")] = 0
    mm_modified_no_write_page_list_head: Annotated[int, u64("MmModifiedNoWritePageListHead")] = 0
    mm_available_pages: Annotated[int, u64("MmAvailablePages")] = 0
    mm_resident_available_pages: Annotated[int, u64("MmResidentAvailablePages")] = 0
    pool_track_table: Annotated[int, u64("PoolTrackTable")] = 0
    non_paged_pool_descriptor: Annotated[int, u64("NonPagedPoolDescriptor")] = 0
    mm_highest_user_address: Annotated[int, u64("MmHighestUserAddress")] = 0
    mm_system_range_start: Annotated[int, u64("MmSystemRangeStart")] = 0
    mm_user_probe_address: Annotated[int, u64("MmUserProbeAddress")] = 0
    kd_print_circular_buffer: Annotated[int, u64("KdPrintCircularBuffer")] = 0
    kd_print_circular_buffer_end: Annotated[int, u64("KdPrintCircularBufferEnd")] = 0
    kd_print_write_pointer: Annotated[int, u64("KdPrintWritePointer")] = 0
    kd_print_rollover_count: Annotated[int, u64("KdPrintRolloverCount")] = 0
    mm_loaded_user_image_list: Annotated[int, u64("MmLoadedUserImageList")] = 0
    nt_build_lab: Annotated[int, u64("NtBuildLab")] = 0
    ki_normal_system_call: Annotated[int, u64("KiNormalSystemCall")] = 0
    ki_processor_block: Annotated[int, u64("KiProcessorBlock")] = 0
    mm_unloaded_drivers: Annotated[int, u64("MmUnloadedDrivers")] = 0
    mm_last_unloaded_driver: Annotated[int, u64("MmLastUnloadedDriver")] = 0
    mm_triage_action_taken: Annotated[int, u64("MmTriageActionTaken")] = 0
    mm_special_pool_tag: Annotated[int, u64("MmSpecialPoolTag")] = 0
    kernel_verifier: Annotated[int, u64("KernelVerifier")] = 0
    mm_verifier_data: Annotated[int, u64("MmVerifierData")] = 0
    mm_allocated_non_paged_pool: Annotated[int, u64("MmAllocatedNonPagedPool")] = 0
    mm_peak_commitment: Annotated[int, u64("MmPeakCommitment")] = 0
    mm_total_commit_limit_maximum: Annotated[int, u64("MmTotalCommitLimitMaximum")] = 0
    cm_nt_csd_version: Annotated[int, u64("CmNtCSDVersion")] = 0
    mm_physical_memory_block: Annotated[int, u64("MmPhysicalMemoryBlock")] = 0
    mm_session_base: Annotated[int, u64("MmSessionBase")] = 0
    mm_session_size: Annotated[int, u64("MmSessionSize")] = 0
    mm_system_parent_table_page: Annotated[int, u64("MmSystemParentTablePage")] = 0
    mm_virtual_translation_base: Annotated[int, u64("MmVirtualTranslationBase")] = 0
    offset_kthread_next_processor: Annotated[int, u16("OffsetKThreadNextProcessor")] = 0
    offset_kthread_teb: Annotated[int, u16("OffsetKThreadTeb")] = 0
    offset_kthread_kernel_stack: Annotated[int, u16("OffsetKThreadKernelStack")] = 0
    offset_kthread_initial_stack: Annotated[int, u16("OffsetKThreadInitialStack")] = 0
    offset_kthread_apc_process: Annotated[int, u16("OffsetKThreadApcProcess")] = 0
    offset_kthread_state: Annotated[int, u16("OffsetKThreadState")] = 0
    offset_kthread_b_store: Annotated[int, u16("OffsetKThreadBStore")] = 0
    offset_kthread_b_store_limit: Annotated[int, u16("OffsetKThreadBStoreLimit")] = 0
    size_eprocess: Annotated[int, u16("SizeEProcess")] = 0
    offset_eprocess_peb: Annotated[int, u16("OffsetEprocessPeb")] = 0
    offset_eprocess_parent_cid: Annotated[int, u16("OffsetEprocessParentCID")] = 0
    offset_eprocess_directory_table_base: Annotated[int, u16("OffsetEprocessDirectoryTableBase")] = 0
    size_prcb: Annotated[int, u16("SizePrcb")] = 0
    offset_prcb_dpc_routine: Annotated[int, u16("OffsetPrcbDpcRoutine")] = 0
    offset_prcb_current_thread: Annotated[int, u16("OffsetPrcbCurrentThread")] = 0
    offset_prcb_mhz: Annotated[int, u16("OffsetPrcbMhz")] = 0
    offset_prcb_cpu_type: Annotated[int, u16("OffsetPrcbCpuType")] = 0
    offset_prcb_vendor_string: Annotated[int, u16("OffsetPrcbVendorString")] = 0
    offset_prcb_proc_state_context: Annotated[int, u16("OffsetPrcbProcStateContext")] = 0
    offset_prcb_number: Annotated[int, u16("OffsetPrcbNumber")] = 0
    size_ethread: Annotated[int, u16("SizeEThread")] = 0
    padding1: Annotated[bytes, padding(6)] = bytes(6)
    kd_print_circular_buffer_ptr: Annotated[int, u64("KdPrintCircularBufferPtr")] = 0
    kd_print_buffer_size: Annotated[int, u64("KdPrintBufferSize")] = 0
    ke_loader_block: Annotated[int, u64("KeLoaderBlock")] = 0
    size_pcr: Annotated[int, u16("SizePcr")] = 0
    offset_pcr_self_pcr: Annotated[int, u16("OffsetPcrSelfPcr")] = 0
    offset_pcr_current_prcb: Annotated[int, u16("OffsetPcrCurrentPrcb")] = 0
    offset_pcr_contained_prcb: Annotated[int, u16("OffsetPcrContainedPrcb")] = 0
    offset_pcr_initial_b_store: Annotated[int, u16("OffsetPcrInitialBStore")] = 0
    offset_pcr_b_store_limit: Annotated[int, u16("OffsetPcrBStoreLimit")] = 0
    offset_pcr_initial_stack: Annotated[int, u16("OffsetPcrInitialStack")] = 0
    offset_pcr_stack_limit: Annotated[int, u16("OffsetPcrStackLimit")] = 0
    offset_prcb_pcr_page: Annotated[int, u16("OffsetPrcbPcrPage")] = 0
    offset_prcb_proc_state_special_reg: Annotated[int, u16("OffsetPrcbProcStateSpecialReg")] = 0
    gdt_r0_code: Annotated[int, u16("GdtR0Code")] = 0
    gdt_r0_data: Annotated[int, u16("GdtR0Data")] = 0
    gdt_r0_pcr: Annotated[int, u16("GdtR0Pcr")] = 0
    gdt_r3_code: Annotated[int, u16("GdtR3Code")] = 0
    gdt_r3_data: Annotated[int, u16("GdtR3Data")] = 0
    gdt_r3_teb: Annotated[int, u16("GdtR3Teb")] = 0
    gdt_ldt: Annotated[int, u16("GdtLdt")] = 0
    gdt_tss: Annotated[int, u16("GdtTss")] = 0
    gdt64_r3_cm_code: Annotated[int, u16("Gdt64R3CmCode")] = 0
    gdt64_r3_cm_teb: Annotated[int, u16("Gdt64R3CmTeb")] = 0
    iop_num_triage_dump_data_blocks: Annotated[int, u64("IopNumTriageDumpDataBlocks")] = 0
    iop_triage_dump_data_blocks: Annotated[int, u64("IopTriageDumpDataBlocks")] = 0
    vf_crash_data_block: Annotated[int, u64("VfCrashDataBlock")] = 0
    mm_bad_pages_detected: Annotated[int, u64("MmBadPagesDetected")] = 0
    mm_zeroed_page_single_bit_errors_detected: Annotated[int, u64("MmZeroedPageSingleBitErrorsDetected")] = 0
    etwp_debugger_data: Annotated[int, u64("EtwpDebuggerData")] = 0
    offset_prcb_context: Annotated[int, u16("OffsetPrcbContext")] = 0
    offset_prcb_max_breakpoints: Annotated[int, u16("OffsetPrcbMaxBreakpoints")] = 0
    offset_prcb_max_watchpoints: Annotated[int, u16("OffsetPrcbMaxWatchpoints")] = 0
    padding2: Annotated[bytes, padding(2)] = bytes(2)
    offset_kthread_stack_limit: Annotated[int, u32("OffsetKThreadStackLimit")] = 0
    offset_kthread_stack_base: Annotated[int, u32("OffsetKThreadStackBase")] = 0
    offset_kthread_queue_list_entry: Annotated[int, u32("OffsetKThreadQueueListEntry")] = 0
    offset_ethread_irp_list: Annotated[int, u32("OffsetEThreadIrpList")] = 0
    offset_prcb_idle_thread: Annotated[int, u16("OffsetPrcbIdleThread")] = 0
    offset_prcb_normal_dpc_state: Annotated[int, u16("OffsetPrcbNormalDpcState")] = 0
    offset_prcb_dpc_stack: Annotated[int, u16("OffsetPrcbDpcStack")] = 0
    offset_prcb_isr_stack: Annotated[int, u16("OffsetPrcbIsrStack")] = 0
    size_kdpc_stack_frame: Annotated[int, u16("SizeKDPC_STACK_FRAME")] = 0
    offset_kpri_queue_thread_list_head: Annotated[int, u16("OffsetKPriQueueThreadListHead")] = 0
    offset_kthread_wait_reason: Annotated[int, u16("OffsetKThreadWaitReason")] = 0
    padding3: Annotated[bytes, padding(2)] = bytes(2)
    pte_base: Annotated[int, u64("PteBase")] = 0
