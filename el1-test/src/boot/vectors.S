// The kernel's exception vectors at EL1. Everything is saved to a Frame (exception.rs) on the stack; a handler that
// returns goes back to what the frame says by then.

.macro vector kind
    .balign 0x80
    sub     sp, sp, {FRAME_SIZE}
    stp     x0, x1, [sp]
    mov     x1, #\kind
    b       save_and_handle
.endm

.section .text.vectors, "ax"
.balign 0x800
.global vectors
vectors:
    .irp kind, 4, 4, 4, 4,  0, 1, 2, 3,  4, 4, 4, 4,  4, 4, 4, 4
    vector  \kind
    .endr
    .balign 0x80

save_and_handle:
    stp     x2, x3, [sp, #16 * 1]
    stp     x4, x5, [sp, #16 * 2]
    stp     x6, x7, [sp, #16 * 3]
    stp     x8, x9, [sp, #16 * 4]
    stp     x10, x11, [sp, #16 * 5]
    stp     x12, x13, [sp, #16 * 6]
    stp     x14, x15, [sp, #16 * 7]
    stp     x16, x17, [sp, #16 * 8]
    stp     x18, x19, [sp, #16 * 9]
    stp     x20, x21, [sp, #16 * 10]
    stp     x22, x23, [sp, #16 * 11]
    stp     x24, x25, [sp, #16 * 12]
    stp     x26, x27, [sp, #16 * 13]
    stp     x28, x29, [sp, #16 * 14]
    mrs     x9, elr_el1
    mrs     x10, spsr_el1
    mrs     x11, esr_el1
    mrs     x12, far_el1
    stp     x30, x9, [sp, #16 * 15]
    stp     x10, x11, [sp, #16 * 16]
    str     x12, [sp, #16 * 17]
    mov     x0, sp
    bl      {handle}
    ldp     x30, x9, [sp, #16 * 15]
    ldr     x10, [sp, #16 * 16]
    msr     elr_el1, x9
    msr     spsr_el1, x10
    ldp     x0, x1, [sp]
    ldp     x2, x3, [sp, #16 * 1]
    ldp     x4, x5, [sp, #16 * 2]
    ldp     x6, x7, [sp, #16 * 3]
    ldp     x8, x9, [sp, #16 * 4]
    ldp     x10, x11, [sp, #16 * 5]
    ldp     x12, x13, [sp, #16 * 6]
    ldp     x14, x15, [sp, #16 * 7]
    ldp     x16, x17, [sp, #16 * 8]
    ldp     x18, x19, [sp, #16 * 9]
    ldp     x20, x21, [sp, #16 * 10]
    ldp     x22, x23, [sp, #16 * 11]
    ldp     x24, x25, [sp, #16 * 12]
    ldp     x26, x27, [sp, #16 * 13]
    ldp     x28, x29, [sp, #16 * 14]
    add     sp, sp, {FRAME_SIZE}
    eret
