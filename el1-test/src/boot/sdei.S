// Where the firmware delegates an event to (DEN0054): on the interrupted stack, everything masked.
// In: x0 = event, x1 = argument, x2 = interrupted PC, x3 = interrupted PSTATE; x18 and up are to be preserved.
// Rust says how it ends: with the call whose id and argument it returns.
.section .text.sdei, "ax"
.global sdei_entry
sdei_entry:
    stp     x18, x30, [sp, #-32]!
    str     x29, [sp, #16]
    bl      {handle}
    ldr     x29, [sp, #16]
    ldp     x18, x30, [sp], #32
    smc     #0
    b       .                               // refused

// Registers x0-x17 with a known value each, while an event comes; then what is in them.
// In: x0 = 18 words to load, x1 = where to store 18 words, x2 = id, x3, x4 = arguments of the call that makes it come.
// The call leaves its status in x0, and may leave x1-x3 as they were.
.global sdei_known_registers
sdei_known_registers:
    stp     x1, x30, [sp, #-16]!
    stp     x2, x3, [sp, #-16]!
    str     x4, [sp, #-16]!
    ldp     x4, x5, [x0, #32]
    ldp     x6, x7, [x0, #48]
    ldp     x8, x9, [x0, #64]
    ldp     x10, x11, [x0, #80]
    ldp     x12, x13, [x0, #96]
    ldp     x14, x15, [x0, #112]
    ldp     x16, x17, [x0, #128]
    ldr     x2, [sp], #16
    ldp     x0, x1, [sp], #16
.global sdei_known_call
sdei_known_call:
    smc     #0
    // Nothing but x30 and the stack is known to be free: keep all.
    str     x30, [sp, #-16]!
    ldr     x30, [sp, #16]
    stp     x0, x1, [x30]
    stp     x2, x3, [x30, #16]
    stp     x4, x5, [x30, #32]
    stp     x6, x7, [x30, #48]
    stp     x8, x9, [x30, #64]
    stp     x10, x11, [x30, #80]
    stp     x12, x13, [x30, #96]
    stp     x14, x15, [x30, #112]
    stp     x16, x17, [x30, #128]
    ldr     x30, [sp], #16
    ldp     x1, x30, [sp], #16
    ret

// Where an event may have the interrupted code go on instead: like an exception that was taken from there. It counts,
// and returns to where the exception came from.
.global sdei_resume
sdei_resume:
    stp     x0, x1, [sp, #-16]!
    adrp    x0, {resumed}
    add     x0, x0, :lo12:{resumed}
    ldr     x1, [x0]
    add     x1, x1, #1
    str     x1, [x0]
    mrs     x1, elr_el1
    str     x1, [x0, #8]
    mrs     x1, spsr_el1
    str     x1, [x0, #16]
    ldp     x0, x1, [sp], #16
    eret
