// What stays at EL2 while the kernel runs at EL1: vectors that serve two hypervisor calls, translation off.
//
//   hvc, x0 = 0: leave for x1 at EL2 with x2 in x0 (kexec)
//   hvc, x0 = 2: go on at EL2 instead, with the host extensions: what was EL1's is EL2's from there on; x0 = 0
//   hvc, x0 = 1: call the leaf routine at x1, which may use x0, x9 and what its caller gives up; x0 = what it left in
//                x0, x1 = ESR_EL2 of an exception that it took on the way, or 0
//
// Anything else that comes here from EL1 is passed on to the kernel's own vectors. x13-x17 are ours between a call and
// its return; TPIDR_EL2 holds what x1 is to answer.

.macro el2_entry to
    .balign 0x80
    b       \to
.endm

.section .text.el2, "ax"
.balign 0x800
.global el2_vectors
el2_vectors:
    el2_entry el2_lost                      // current EL, SP_EL0
    el2_entry el2_lost
    el2_entry el2_lost
    el2_entry el2_lost
    el2_entry el2_skip                      // current EL: synchronous
    el2_entry el2_lost
    el2_entry el2_lost
    el2_entry el2_lost
    el2_entry el2_call                      // lower EL: synchronous
    el2_entry el2_lost
    el2_entry el2_lost
    el2_entry el2_lost
    el2_entry el2_lost                      // AArch32
    el2_entry el2_lost
    el2_entry el2_lost
    el2_entry el2_lost
    .balign 0x80

el2_lost:
    b       el2_lost

// An exception of ours: note it and go on with the next instruction. Clobbers x9.
el2_skip:
    mrs     x9, esr_el2
    msr     tpidr_el2, x9
    mrs     x9, elr_el2
    add     x9, x9, #4
    msr     elr_el2, x9
    eret

el2_call:
    mrs     x13, esr_el2
    lsr     x14, x13, #26
    cmp     x14, #0x16                      // HVC
    b.ne    el2_pass_on
    cmp     x0, #2
    b.eq    el2_become_host
    cbnz    x0, 1f
    mov     x0, x2
    br      x1
1:  mrs     x15, elr_el2
    mrs     x16, spsr_el2
    mov     x17, x30
    msr     tpidr_el2, xzr
    blr     x1
    mov     x30, x17
    msr     elr_el2, x15
    msr     spsr_el2, x16
    mrs     x1, tpidr_el2
    msr     tpidr_el2, xzr
    eret

// EL1's registers become EL2's; the caller goes on at EL2, at its own addresses. With E2H set the names of EL1's registers
// mean EL2's, so that the kernel does not notice.
el2_become_host:
    mrs     x13, ttbr0_el1
    msr     ttbr0_el2, x13
    mrs     x13, ttbr1_el1
    msr     S3_4_C2_C0_1, x13               // TTBR1_EL2
    mrs     x13, mair_el1
    msr     mair_el2, x13
    mrs     x13, vbar_el1
    msr     vbar_el2, x13
    mrs     x13, tcr_el1
    mrs     x14, cpacr_el1
    mrs     x15, sctlr_el1
    mrs     x16, sp_el1
    mov     sp, x16
    mrs     x16, hcr_el2
    mov     x17, #(1 << 34)                 // E2H
    orr     x16, x16, x17
    orr     x16, x16, #(1 << 27)            // TGE
    msr     hcr_el2, x16
    isb
    msr     tcr_el2, x13
    msr     cptr_el2, x14
    isb
    tlbi    vmalle1
    tlbi    alle2
    dsb     nsh
    isb
    msr     sctlr_el2, x15
    isb
    mrs     x13, spsr_el2
    orr     x13, x13, #(1 << 3)             // EL1h becomes EL2h
    bic     x13, x13, #(1 << 2)
    msr     spsr_el2, x13
    mov     x0, xzr
    eret

// As if EL1 had taken it by itself. The interrupted code expects it (exception.rs) and has given x13 and x14 up.
el2_pass_on:
    msr     esr_el1, x13
    mrs     x13, far_el2
    msr     far_el1, x13
    mrs     x13, elr_el2
    msr     elr_el1, x13
    mrs     x13, spsr_el2
    msr     spsr_el1, x13
    mrs     x13, vbar_el1
    add     x13, x13, #0x200
    msr     elr_el2, x13
    mov     x13, {SPSR_EL1H}
    msr     spsr_el2, x13
    eret
