// An SMC by a kernel that has no translation.

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
