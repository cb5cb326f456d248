// A core that suspends, and goes on where it was: what it needs for that is on its stack, and where that is in its Place
// (suspend.rs).

// ---- A call that may come back, or have the core go on at resume_entry.
// In: x0 = this core's Place, x1-x4 = the call. Out: x0 = its status; 0 if the core was entered anew, which its Place tells.
// Standard procedure call, interrupts masked.
.section .text.suspend, "ax"
.global suspend_call
suspend_call:
    stp     x29, x30, [sp, #-96]!
    stp     x19, x20, [sp, #16]
    stp     x21, x22, [sp, #32]
    stp     x23, x24, [sp, #48]
    stp     x25, x26, [sp, #64]
    stp     x27, x28, [sp, #80]
    mov     x9, sp
    str     x9, [x0, {PLACE_SP}]
    mov     x0, x1
    mov     x1, x2
    mov     x2, x3
    mov     x3, x4
    smc     #0
suspend_return:
    ldp     x19, x20, [sp, #16]
    ldp     x21, x22, [sp, #32]
    ldp     x23, x24, [sp, #48]
    ldp     x25, x26, [sp, #64]
    ldp     x27, x28, [sp, #80]
    ldp     x29, x30, [sp], #96
    ret

// ---- Where the firmware has it go on: at EL2 or EL1, DAIF masked, translation off.
// In: x0 = context: index in bits 15..0. What is found here is kept in x19-x25 until it can be noted.
.global resume_entry
resume_entry:
    mrs     x25, cntvct_el0
    mov     x19, x0
    mrs     x20, CurrentEL
    mrs     x21, daif
    mrs     x22, spsel
    mrs     x23, sctlr_el1
    mov     x24, xzr
    cmp     x20, #(2 << 2)
    b.ne    1f
    mrs     x23, sctlr_el2
    mrs     x24, hcr_el2
1:  bl      drop_to_el1
    bl      enable_mmu
    ldr     x9, =resume_high
    br      x9
resume_high:
    ldr     x9, ={PLACES}
    and     x10, x19, #0xffff
    msr     tpidr_el1, x10
    mov     x11, {PLACE_SIZE}
    madd    x9, x10, x11, x9
    ldr     x10, [x9, {PLACE_SP}]
    mov     sp, x10
    stp     x19, x20, [x9, {PLACE_FOUND}]
    stp     x21, x22, [x9, {PLACE_FOUND} + 16]
    stp     x23, x24, [x9, {PLACE_FOUND} + 32]
    str     x25, [x9, {PLACE_FOUND} + 48]
    mov     x10, #1
    str     x10, [x9, {PLACE_ENTERED}]
    mov     x0, xzr
    b       suspend_return

.ltorg
