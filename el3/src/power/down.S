// The last steps of a core that loses its power: out of the caches, into WFI. docs/power.md says why each is here.
//
// Runs with translation on and everything masked. Uses no stack. Does not return: when it has its power back the core
// starts at the reset vector.
.section .text.lose_power, "ax"
.global lose_power
lose_power:
    // No new lines: from here on data is accessed past the caches.
    mrs     x0, sctlr_el3
    bic     x0, x0, #(1 << 2)
    msr     sctlr_el3, x0
    isb

    // Clean and invalidate, by set and way, the levels that are the core's own: the first, and the second if there is a
    // third.
    mrs     x10, clidr_el1
    ubfx    x11, x10, #6, #3            // Ctype3
    mrs     x12, id_aa64mmfr2_el1
    ubfx    x12, x12, #20, #4           // CCIDX: CCSIDR_EL1's wide format
    mov     x9, #0                      // CSSELR_EL1: level - 1 in bits 3..1
1:  add     x0, x9, x9, lsr #1
    lsr     x0, x10, x0
    and     x0, x0, #7
    cmp     x0, #2                      // Ctype: no data cache at this level, nor further out
    b.lo    6f
    msr     csselr_el1, x9
    isb
    mrs     x1, ccsidr_el1
    and     x2, x1, #7
    add     x2, x2, #4                  // log2 of a line's bytes
    ubfx    x3, x1, #3, #10             // ways - 1
    ubfx    x4, x1, #13, #15            // sets - 1
    cbz     x12, 2f
    ubfx    x3, x1, #3, #21
    ubfx    x4, x1, #32, #24
2:  clz     w5, w3                      // where the way stands
3:  mov     x6, x4
4:  lsl     x7, x3, x5
    lsl     x8, x6, x2
    orr     x7, x7, x8
    orr     x7, x7, x9
    dc      cisw, x7
    subs    x6, x6, #1
    b.pl    4b
    subs    x3, x3, #1
    b.pl    3b
    cbnz    x9, 6f
    mov     x9, #2
    cbnz    x11, 1b
6:  dsb     sy                          // all of it has reached who comes next
    isb

    // The power controller waits for this.
7:  wfi
    b       7b
