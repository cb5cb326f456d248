// The way in: from the firmware (or an earlier kernel) to Rust.
//
// Everything before enable_mmu runs at the physical address, without translation, stack or vectors, and touches
// memory only through addresses relative to the program counter.

// ---- The image's first byte: the boot core, at EL2 or EL1, DAIF masked.
// In: x0 = device tree or 0. Keeps what it found in x19-x26 for main().
.section .text.entry, "ax"
.global _start
_start:
    mrs     x20, cntvct_el0
    mov     x19, x0
    mrs     x21, CurrentEL
    mrs     x22, daif
    mrs     x23, spsel
    mrs     x24, sctlr_el1
    mov     x25, xzr
    mov     x26, xzr
    cmp     x21, #(2 << 2)
    b.ne    1f
    mrs     x24, sctlr_el2
    mrs     x25, hcr_el2
    // Should this trap, el2_vectors skips it, and 0 is what main() sees.
    adr     x9, el2_vectors
    msr     vbar_el2, x9
    isb
    mrs     x26, S3_4_C12_C9_5              // ICC_SRE_EL2
1:  bl      drop_to_el1

    // .data: from behind the constants to its place; then .bss to zero.
    adrp    x9, data_source
    add     x9, x9, :lo12:data_source
    adrp    x10, data_start
    add     x10, x10, :lo12:data_start
    adrp    x11, data_end
    add     x11, x11, :lo12:data_end
2:  cmp     x10, x11
    b.hs    3f
    ldp     x12, x13, [x9], #16
    stp     x12, x13, [x10], #16
    b       2b
3:  adrp    x10, bss_start
    add     x10, x10, :lo12:bss_start
    adrp    x11, bss_end
    add     x11, x11, :lo12:bss_end
4:  cmp     x10, x11
    b.hs    5f
    stp     xzr, xzr, [x10], #16
    b       4b

5:  bl      make_tables
    bl      enable_mmu
    ldr     x9, =boot_high
    br      x9
boot_high:
    ldr     x9, =stacks_start + ({MAX_CORES} + 1) * {STACK_SIZE}
    mov     sp, x9
    mov     x0, x19
    mov     x1, x20
    mov     x2, x21
    mov     x3, x22
    mov     x4, x23
    mov     x5, x24
    mov     x6, x25
    mov     x7, x26
    mov     x29, xzr
    mov     x30, xzr
    b       {main}

// ---- A core that was started with CPU_ON.
// In: x0 = context: index in bits 15..0, HANG_EARLY, the rest for secondary_main().
.global secondary_entry
secondary_entry:
    tbnz    x0, {HANG_EARLY_BIT}, hang
    mov     x19, x0
    bl      drop_to_el1
    bl      enable_mmu
    ldr     x9, =secondary_high
    br      x9
secondary_high:
    ldr     x9, =stacks_start
    and     x10, x19, #0xffff
    add     x10, x10, #1
    mov     x11, {STACK_SIZE}
    madd    x9, x10, x11, x9
    mov     sp, x9
    mov     x0, x19
    mov     x29, xzr
    mov     x30, xzr
    b       {secondary_main}

hang:
    msr     daifset, #0xf
    b       hang

// ---- To EL1 with no trap to EL2 left, if this is EL2.
// Clobbers x9-x12. Returns to x30 at EL1h, DAIF masked.
.global drop_to_el1
drop_to_el1:
    mrs     x9, CurrentEL
    cmp     x9, #(2 << 2)
    b.ne    1f
    adr     x9, el2_vectors
    msr     vbar_el2, x9
    ldr     x9, ={SCTLR_EL2}
    msr     sctlr_el2, x9
    ldr     x9, ={HCR_EL2}
    msr     hcr_el2, x9
    ldr     x9, ={CPTR_EL2}
    msr     cptr_el2, x9
    mrs     x9, mdcr_el2                    // only HPMN stays
    and     x9, x9, #0x1f
    msr     mdcr_el2, x9
    msr     hstr_el2, xzr
    mov     x9, #3                          // EL1PCTEN, EL1PCEN
    msr     cnthctl_el2, x9
    msr     cntvoff_el2, xzr
    msr     vttbr_el2, xzr
    mrs     x9, midr_el1
    msr     vpidr_el2, x9
    mrs     x9, mpidr_el1
    msr     vmpidr_el2, x9
    mov     x9, #0xf                        // Enable, DIB, DFB, SRE
    msr     S3_4_C12_C9_5, x9               // ICC_SRE_EL2
    isb
    msr     S3_4_C12_C11_0, xzr             // ICH_HCR_EL2
    mov     x9, {SPSR_EL1H}
    msr     spsr_el2, x9
    msr     elr_el2, x30
    // Read back by the kernel to know that there is an EL2 to ask.
    msr     tpidr_el2, xzr
    eret
1:  ret

// ---- Translation tables of this copy of the kernel (see mmu.rs). Clobbers x9-x15.
make_tables:
    // TTBR0, level 2: RAM from DRAM, identity mapped; the block with the pages shared with other
    // kernels is not cacheable.
    adrp    x9, {TABLES}
    add     x9, x9, :lo12:{TABLES}
    add     x10, x9, {LOW_L2}
    ldr     x11, ={NORMAL_BLOCK} + {DRAM}
    mov     x12, #512
    mov     x13, {BLOCK_SIZE}
1:  str     x11, [x10], #8
    add     x11, x11, x13
    subs    x12, x12, #1
    b.ne    1b
    ldr     x11, ={SHARED_BLOCK}
    str     x11, [x9, {LOW_L2} + {SHARED_BLOCK_INDEX} * 8]
    // TTBR0, level 1: devices, RAM and another gigabyte of it, the last redistributor region.
    ldr     x11, ={DEVICE_BLOCK}
    str     x11, [x9, {LOW_L1}]
    add     x11, x9, {LOW_L2}
    orr     x11, x11, #3
    str     x11, [x9, {LOW_L1} + {DRAM_INDEX} * 8]
    ldr     x11, ={NORMAL_BLOCK} + {DRAM} + {GIGABYTE}
    str     x11, [x9, {LOW_L1} + {DRAM_INDEX} * 8 + 8]
    ldr     x11, ={DEVICE_BLOCK} + {FAR_DEVICES}
    str     x11, [x9, {LOW_L1} + {FAR_DEVICES_INDEX} * 8]
    // TTBR1: the kernel; its first block read-only, the others not executable.
    add     x11, x9, {HIGH_L2}
    orr     x12, x11, #3
    str     x12, [x9, {HIGH_L1}]
    adrp    x12, image_start
    ldr     x14, ={TEXT_BLOCK}
    orr     x14, x14, x12
    str     x14, [x11], #8
    ldr     x14, ={DATA_BLOCK}
    orr     x14, x14, x12
    mov     x15, {KERNEL_BLOCKS} - 1
2:  add     x14, x14, x13
    str     x14, [x11], #8
    subs    x15, x15, #1
    b.ne    2b
    dsb     sy
    ret

// ---- Translation and caches on, at EL1. Clobbers x9-x11.
.global enable_mmu
enable_mmu:
    adrp    x9, {TABLES}
    add     x9, x9, :lo12:{TABLES}
    add     x10, x9, {LOW_L1}
    msr     ttbr0_el1, x10
    add     x10, x9, {HIGH_L1}
    msr     ttbr1_el1, x10
    ldr     x10, ={MAIR}
    msr     mair_el1, x10
    ldr     x10, ={TCR}
    msr     tcr_el1, x10
    mov     x10, #(3 << 20)                 // FPEN: the scenarios look at the FP registers
    msr     cpacr_el1, x10
    ldr     x10, =vectors
    msr     vbar_el1, x10
    dsb     ish
    tlbi    vmalle1
    ic      iallu
    dsb     nsh
    isb
    ldr     x10, ={SCTLR_EL1}
    msr     sctlr_el1, x10
    isb
    ret

// ---- Into another kernel where there is no EL2: translation off and away. Runs at its physical address.
// In: x0 = its first byte, x1 = what it is to find in x0.
.global leave_at_el1
leave_at_el1:
    ldr     x9, ={SCTLR_EL1_OFF}
    msr     sctlr_el1, x9
    isb
    mov     x9, x0
    mov     x0, x1
    br      x9

.ltorg
