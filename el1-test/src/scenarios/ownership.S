// SMCs by a kernel that has no translation, and by a hypervisor that has it, without host extensions.

// In: x0-x3 = the call, x4 = physical address of without_translation, interrupts masked. Out: x0. Clobbers x9, x10.
// Between the two writes of SCTLR_EL1 it touches no memory.
.section .text.smc_without_translation, "ax"
.global smc_without_translation
.global without_translation
smc_without_translation:
    mrs     x9, sctlr_el1
    bic     x10, x9, #1             // M
    br      x4
without_translation:
    msr     sctlr_el1, x10
    isb
    smc     #0
    msr     sctlr_el1, x9
    isb
    ret

// A leaf routine for a call to EL2 (boot/el2.S): CPU_ON with translation on there. Entered at EL2 at its physical address,
// translation off, everything masked; left so, but for TTBR0_EL2, MAIR_EL2 and TCR_EL2. No stack.
// In: x2 = the table for TTBR0_EL2, which maps this routine where it is; x3-x5 = the arguments of CPU_ON.
// Out: x0. Clobbers x1-x3, x9.
.section .text.cpu_on_at_el2, "ax"
.global cpu_on_at_el2
cpu_on_at_el2:
    msr     ttbr0_el2, x2
    ldr     x9, ={MAIR}
    msr     mair_el2, x9
    ldr     x9, ={TCR_EL2}
    msr     tcr_el2, x9
    isb
    tlbi    alle2
    dsb     nsh
    isb
    mrs     x9, sctlr_el2
    orr     x2, x9, #1              // M
    msr     sctlr_el2, x2
    isb
    mov     w0, {CPU_ON} & 0xffff
    movk    w0, {CPU_ON} >> 16, lsl #16
    mov     x1, x3
    mov     x2, x4
    mov     x3, x5
    smc     #0
    msr     sctlr_el2, x9
    isb
    ret
