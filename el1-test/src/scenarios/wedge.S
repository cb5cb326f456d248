// Cores that nobody in the kernel can reach.

// ---- A core that the kernel knows nothing of: no translation, no vectors, no stack.
// In: x0 = where it counts.
.section .text.foreign_entry, "ax"
.global foreign_entry
foreign_entry:
    ldr     x1, [x0]
    add     x1, x1, #1
    str     x1, [x0]
    b       foreign_entry

// ---- A core that stays at one instruction with a known value in every register.
// In: x0 = Known (wedge.rs): x0-x30, SP_EL1, SP_EL0, PSTATE's flags.
.section .text.wedge_known, "ax"
.global wedge_known
.global wedge_known_at
wedge_known:
    msr     daifset, #0xf
    ldp     x1, x2, [x0, #(31 * 8)]
    mov     sp, x1
    msr     sp_el0, x2
    ldr     x1, [x0, #(33 * 8)]
    msr     nzcv, x1
    ldp     x1, x2, [x0, #8]
    ldp     x3, x4, [x0, #24]
    ldp     x5, x6, [x0, #40]
    ldp     x7, x8, [x0, #56]
    ldp     x9, x10, [x0, #72]
    ldp     x11, x12, [x0, #88]
    ldp     x13, x14, [x0, #104]
    ldp     x15, x16, [x0, #120]
    ldp     x17, x18, [x0, #136]
    ldp     x19, x20, [x0, #152]
    ldp     x21, x22, [x0, #168]
    ldp     x23, x24, [x0, #184]
    ldp     x25, x26, [x0, #200]
    ldp     x27, x28, [x0, #216]
    ldp     x29, x30, [x0, #232]
    ldr     x0, [x0]
wedge_known_at:
    b       wedge_known_at
