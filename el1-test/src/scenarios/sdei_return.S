// SDEI's client at EL2, translation off, while the kernel runs at EL1 (boot/el2.S).

.macro sdei_call number
    mov     x0, #\number
    movk    x0, #0xc400, lsl #16
    smc     #0
.endm

// A leaf routine for a call to EL2: the handler below is registered for event 0, and events are let in.
// In: x2 = its argument. Out: x0 = the answers, or'ed. Clobbers x1-x5, x9.
.section .text.sdei_return, "ax"
.global sdei_register_below
sdei_register_below:
    mov     x3, x2
    adr     x2, sdei_handler_below
    mov     x1, xzr
    mov     x4, xzr
    mov     x5, xzr
    sdei_call 0x21                          // REGISTER
    mov     x9, x0
    mov     x1, xzr
    sdei_call 0x22                          // ENABLE
    orr     x9, x9, x0
    sdei_call 0x2c                          // PE_UNMASK
    orr     x0, x9, x0
    ret

// The handler. Tries to complete while the way back to EL1 is illegal, then as it should.
// In: x1 = Notes (sdei_return.rs), physical. Everything below x18 is the firmware's to give back.
sdei_handler_below:
    mov     x6, x1
    mrs     x7, hcr_el2
    orr     x8, x7, #(1 << 27)              // TGE: there is no EL1
    msr     hcr_el2, x8
    isb
    mov     x1, xzr
    sdei_call 0x25                          // COMPLETE
    str     x0, [x6]
    bic     x8, x7, #(1 << 31)              // RW: EL1 is AArch32, if the core has that
    msr     hcr_el2, x8
    isb
    mrs     x8, hcr_el2
    tbnz    x8, #31, 1f
    mov     x1, xzr
    sdei_call 0x25
    str     x0, [x6, #8]
1:  msr     hcr_el2, x7
    isb
    ldr     x8, [x6, #16]
    add     x8, x8, #1
    str     x8, [x6, #16]
    dc      civac, x6                       // EL1 reads it through its caches
    dsb     sy
    cmp     x8, #2
    b.eq    2f
    mov     x1, xzr
    sdei_call 0x25
    b       .                               // refused
// The second time it has EL2 itself go back, which is legal whatever has become of EL1.
2:  orr     x8, x7, #(1 << 27)
    msr     hcr_el2, x8
    isb
    adr     x1, resume_below
    sdei_call 0x26                          // COMPLETE_AND_RESUME
    b       .                               // refused

// As after an exception from EL1, but that EL1 is still to be brought back.
resume_below:
    msr     tpidr_el2, x0
    mrs     x0, hcr_el2
    bic     x0, x0, #(1 << 27)
    msr     hcr_el2, x0
    isb
    mrs     x0, tpidr_el2
    eret
