// A call to the firmware from AArch32 at EL1.
//
// A leaf routine for EL2 (boot/el2.S), with translation off. In: x2-x5 = r0-r3. Out: x2-x5 = r0-r3, x0 = the exception
// class by which AArch32 came back, or 0 if one of r4-r7 has changed. Clobbers x0-x7, x9. For one core at a time.

// What AArch32 leaves of a register is its lower half.
.macro x8_to_x30 how
    \how    x8, x10, [x9, #0]
    \how    x11, x12, [x9, #16]
    \how    x13, x14, [x9, #32]
    \how    x15, x16, [x9, #48]
    \how    x17, x18, [x9, #64]
    \how    x19, x20, [x9, #80]
    \how    x21, x22, [x9, #96]
    \how    x23, x24, [x9, #112]
    \how    x25, x26, [x9, #128]
    \how    x27, x28, [x9, #144]
    \how    x29, x30, [x9, #160]
.endm

.section .text.aarch32, "ax"
.global aarch32_call
aarch32_call:
    adr     x9, aarch32_vectors     // of which all but one are free
    x8_to_x30 stp
    mrs     x0, hcr_el2
    mrs     x1, sctlr_el1
    stp     x0, x1, [x9, #176]
    mrs     x1, vbar_el2
    str     x1, [x9, #192]
    bic     x0, x0, #(1 << 31)      // RW: EL1 is AArch32
    msr     hcr_el2, x0
    msr     vbar_el2, x9
    mov     w0, #0x0078
    movk    w0, #0x00c5, lsl #16    // as after reset: translation off
    msr     sctlr_el1, x0
    mov     x0, #0x1d3              // Supervisor, A32, interrupts masked
    msr     spsr_el2, x0
    adr     x0, aarch32_code
    msr     elr_el2, x0
    mov     w0, w2
    mov     w1, w3
    mov     w2, w4
    mov     w3, w5
    mov     w4, #4
    mov     w5, #5
    mov     w6, #6
    mov     w7, #7
    isb
    eret

aarch32_code:
    .inst   0xe1600070              // smc #0
    .inst   0xe1400070              // hvc #0

aarch32_back:
    cmp     x4, #4
    ccmp    x5, #5, #0, eq
    ccmp    x6, #6, #0, eq
    ccmp    x7, #7, #0, eq
    mov     x5, x3
    mov     x4, x2
    mov     x3, x1
    mov     x2, x0
    adr     x9, aarch32_vectors
    ldp     x0, x1, [x9, #176]
    msr     hcr_el2, x0
    msr     sctlr_el1, x1
    ldr     x1, [x9, #192]
    msr     vbar_el2, x1
    isb
    x8_to_x30 ldp
    mrs     x0, esr_el2
    lsr     x0, x0, #26
    csel    x0, x0, xzr, eq
    ret

.balign 0x800
aarch32_vectors:
    .space  0x600                   // nothing else comes: interrupts are masked, and AArch32's own exceptions go to EL1
    b       aarch32_back
