// Turns EL3 translation and caches on, with the tables of memory/mod.rs. Needs no stack.
// In: x30. Clobbers x0. Runs with translation off, from code that is mapped at its physical address.
.section .text.gap.mmu_on, "ax"
.global mmu_on
mmu_on:
    ldr     x0, ={mair}
    msr     mair_el3, x0
    ldr     x0, ={tcr}
    msr     tcr_el3, x0
    adrp    x0, {root}
    msr     ttbr0_el3, x0
    tlbi    alle3
    dsb     sy                      // the tables, and the invalidation, before the first walk
    isb
    ldr     x0, ={sctlr}
    msr     sctlr_el3, x0
    isb
    ret
