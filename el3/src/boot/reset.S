// The reset vector: every core starts here, in EL3, translation and caches off, no stack.
//
// The boot core clears .bss, copies .data and calls cold_boot. The others wait for it, then turn translation on and
// take their own stack. What tells them that it is time is a bit of the distributor that only a reset clears
// (GICD_CTLR.EnableGrp0): memory could hold the last life's answer. Where a power controller gives cores their power one
// by one, no core comes here before it is time, and every core, the boot core too, comes again each time it is started.
.section .text.reset, "ax"
.balign 0x800
.global reset_vector
reset_vector:
    msr     daifset, #0xf
.if {bl31}
    mov     x20, x0                 // for bl31.S
.endif
    ldr     x0, ={sctlr}
    msr     sctlr_el3, x0
    adr     x0, reset_vector        // the vector table begins with it, too (standstill.ld)
    msr     vbar_el3, x0
    msr     tpidr_el3, xzr          // no PerCore yet: a crash uses the boot frame
    isb

    // Cortex-A57 and A72: no load passes a store that may be to the same address (CVE-2018-3639; CPUACTLR_EL1 bit 55, to
    // be set before translation is on).
    mrs     x0, midr_el1
    lsr     w1, w0, #24
    ubfx    w0, w0, #4, #12
    sub     w0, w0, #{a57}
    cmp     w1, #0x41               // Arm
    ccmp    w0, #1, #0b0010, eq
    b.hi    8f
    mrs     x0, s3_1_c15_c2_0
    orr     x0, x0, #1 << 55
    msr     s3_1_c15_c2_0, x0
    isb
8:
    // x19 = this core's number: the sum of its shifted affinity fields (platform::topology)
    mrs     x0, mpidr_el1
    and     x1, x0, #0xff
    lsl     x19, x1, #{shift0}
    ubfx    x1, x0, #8, #8
    add     x19, x19, x1, lsl #{shift1}
    ubfx    x1, x0, #16, #8
    add     x19, x19, x1, lsl #{shift2}
.if {controller}
    bl      machine_reset           // platform::machine: does not return for a core that is not wanted
    cbnz    x0, 5f
.else
    cbnz    x19, 3f
.endif

    // The boot core.
.if {bl31}
    bl      bl31_entry
.endif
    adrp    x0, __bss_start
    add     x0, x0, :lo12:__bss_start
    adrp    x1, __bss_clear_end
    add     x1, x1, :lo12:__bss_clear_end
1:  stp     xzr, xzr, [x0], #16     // both ends are 16-byte aligned by the linker script
    cmp     x0, x1
    b.lo    1b
    ldr     x0, =__data_start
    ldr     x1, =__data_end
    ldr     x2, =__data_load
    b       21f
2:  ldp     x3, x4, [x2], #16
    stp     x3, x4, [x0], #16
21: cmp     x0, x1
    b.lo    2b
    adrp    x0, __boot_stack_end
    mov     sp, x0
.if {bl31}
    adrp    x0, {next}
    str     x21, [x0, :lo12:{next}]
.endif
    bl      {cold}
    b       .

    // Another core.
.ifeq {controller}
3:  ldr     x0, ={gicd}
4:  ldr     w1, [x0]
    tbnz    w1, #0, 5f
    wfe                             // the boot core sends an event
    b       4b
.endif
5:  dmb     sy                      // what the boot core wrote before is seen after
    bl      mmu_on
    adrp    x0, {count}
    ldr     x0, [x0, :lo12:{count}]
    cmp     x19, x0
    b.hs    6f
    // The page in the window: stack, context, PerCore.
    ldr     x0, ={window}
    add     x0, x0, x19, lsl #{stride_shift}
    add     x1, x0, #{shared}
    msr     tpidr_el3, x1
    add     sp, x0, #{context}
    bl      {secondary}
6:  wfi                             // a core that the machine does not have: it is nobody's
    b       6b
