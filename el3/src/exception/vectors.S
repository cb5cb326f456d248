// EL3's vectors, and the way in and out.
//
// A lower level runs with SP_EL3 at its core's Context (percore.rs): an entry stores registers upwards from SP, Rust's
// stack grows down from it. Interrupts are masked throughout. Offsets come from context.rs.

.macro save_caller                  // x0-x18, x30: what a Rust call may change
    stp     x0, x1, [sp, #0]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x30, [sp, #144]
.endm

.macro restore_caller
    ldp     x0, x1, [sp, #0]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x30, [sp, #144]
.endm

.macro return_below
    eret
    dsb     nsh                     // no speculation past the return
    isb
.endm

.macro save_rest                    // x19-x29, SPSR_EL3, ELR_EL3; clobbers x0, x1
    stp     x19, x20, [sp, #160]
    stp     x21, x22, [sp, #176]
    stp     x23, x24, [sp, #192]
    stp     x25, x26, [sp, #208]
    stp     x27, x28, [sp, #224]
    str     x29, [sp, #240]
    mrs     x0, spsr_el3
    mrs     x1, elr_el3
    stp     x0, x1, [sp, #{spsr}]
.endm

// Arm's way for Cortex-A57 and A72 to have the branch predictor forget everything: translation off, and on. The code is
// mapped at its physical address, and touches no memory between. What follows has to synchronize. Clobbers \reg.
.macro invalidate_predictors reg
    mrs     \reg, sctlr_el3
    bic     \reg, \reg, #1
    msr     sctlr_el3, \reg
    isb
    orr     \reg, \reg, #1
    msr     sctlr_el3, \reg
.endm

.macro vector name
    .balign 0x80
\name:
.endm

// A crash in EL3 itself: the stack may be what is wrong.
.macro crash_vector name, cause
    vector  \name
    msr     sp_el0, x0              // a lower level's: lost, but it is over anyway
    mrs     x0, tpidr_el3
    cbz     x0, 1f
    bic     x0, x0, #0xfff
    b       2f
1:  adrp    x0, {boot_frame}
    add     x0, x0, :lo12:{boot_frame}
2:  add     x0, x0, #(\cause << 4)
    b       crash_entry
.endm

// An exception from below that needs everything saved.
.macro full_vector name, handler
    vector  \name
    save_caller
    save_rest
    mov     x0, sp
    bl      \handler
    b       exit_full
.endm

.section .text.vectors, "ax"
// The table begins 0x200 earlier, with the reset vector (standstill.ld).
    crash_vector current_sync, 0
    crash_vector current_irq, 1
    crash_vector current_fiq, 2
    crash_vector current_serror, 3

vector lower64_sync
    tbnz    w0, #15, workaround_1   // hardly any other id has this bit
    save_caller
lower64_sync_1:
    mrs     x4, esr_el3
    ubfx    x4, x4, #26, #6
    cmp     x4, #{ec_smc64}
    b.ne    lower_sync_slow
    mov     x4, sp
    bl      {smc_fast}              // (x0, x1, x2, x3, context) -> 0: answered in the context
    cbnz    x0, smc_slow_entry
    restore_caller                  // a Rust call has preserved the rest, and nothing has changed ELR and SPSR
    return_below

    full_vector lower64_irq, {unexpected}
    full_vector lower64_fiq, {fiq}

// From here on what else there is has its place behind short entries.
vector lower64_serror
    b       lower64_irq

// Returns to what the Context at SP says.
exit_full:
    ldp     x0, x1, [sp, #{spsr}]
    msr     spsr_el3, x0
    msr     elr_el3, x1
    ldp     x19, x20, [sp, #160]
    ldp     x21, x22, [sp, #176]
    ldp     x23, x24, [sp, #192]
    ldp     x25, x26, [sp, #208]
    ldp     x27, x28, [sp, #224]
    ldr     x29, [sp, #240]
    restore_caller
    return_below

    full_vector lower32_sync, {lower_sync}

vector lower32_irq
    b       lower64_irq

smc_slow_entry:                     // x0-x18, x30 are saved, the rest is as it was
    save_rest
    mov     x0, sp
    bl      {smc_slow}
    b       exit_full

lower_sync_slow:
    save_rest
    mov     x0, sp
    bl      {lower_sync}
    b       exit_full

    full_vector lower32_fiq, {fiq}

vector lower32_serror
    b       lower64_irq

// The end of crash_entry. Which core reports? The first.
which_reports:
    adrp    x2, {crashing}
    add     x2, x2, :lo12:{crashing}
    mrs     x5, tpidr_el3
    orr     x5, x5, #1
3:  ldaxr   x3, [x2]
    cbnz    x3, 4f
    stxr    w4, x5, [x2]
    cbnz    w4, 3b
    adrp    x3, __boot_stack_end
    mov     sp, x3
    bl      {crash}
4:  cmp     x3, x5
    b.eq    6f
5:  wfi                             // another core reports
    b       5b
6:  adrp    x3, __boot_stack_end    // the report itself has crashed
    mov     sp, x3
    bl      {give_up}
    .balign 0x80

// SMCCC_ARCH_WORKAROUND_1 on a core that needs it, which Linux calls very often; else on as usual. Its answer is nothing
// at all: x0 and x1 are zero.
workaround_1:
    stp     x0, x1, [sp, #0]
    mrs     x1, esr_el3
    eor     w0, w0, #0x80008000     // its id
    lsr     w1, w1, #25
    cmp     w1, #({ec_smc64} << 1 | 1)
    ldr     w1, [sp, #{invalidates}]
    ccmp    w0, #0, #0, eq
    ccmp    w1, #1, #0, eq
    b.ne    1f
    invalidate_predictors x1
    mov     x1, xzr
    return_below                    // synchronizes
1:  ldp     x0, x1, [sp, #0]
    save_caller
    b       lower64_sync_1

// The same for who calls it in another way (smccc/workaround.rs). Standard procedure call; clobbers x0.
.global invalidate_predictors
invalidate_predictors:
    invalidate_predictors x0
    isb
    ret

// Enters a lower level with clear registers. In: x0 = the place of the calling core's Context, x1 = PC, x2 = PSTATE, x3 = its x0.
.global enter_lower
enter_lower:
    mov     sp, x0
    stp     x3, xzr, [sp, #0]
.irp at, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224
    stp     xzr, xzr, [sp, #\at]
.endr
    stp     xzr, x2, [sp, #240]
    stp     x1, xzr, [sp, #256]
    b       exit_full

// A crash. In: SP_EL0 = the old x0, x0 = where to save all registers: the lowest part of the core's page (below what its
// stack normally reaches), or the boot frame if the core has none yet, plus 16 times the cause. Goes on with the boot
// stack, which only one core gets.
crash_entry:
    stp     x2, x3, [x0, #16]
    stp     x4, x5, [x0, #32]
    stp     x6, x7, [x0, #48]
    stp     x8, x9, [x0, #64]
    stp     x10, x11, [x0, #80]
    stp     x12, x13, [x0, #96]
    stp     x14, x15, [x0, #112]
    stp     x16, x17, [x0, #128]
    stp     x18, x30, [x0, #144]
    stp     x19, x20, [x0, #160]
    stp     x21, x22, [x0, #176]
    stp     x23, x24, [x0, #192]
    stp     x25, x26, [x0, #208]
    stp     x27, x28, [x0, #224]
    mrs     x2, spsr_el3
    stp     x29, x2, [x0, #240]
    mrs     x2, sp_el0
    stp     x2, x1, [x0, #0]
    mrs     x2, elr_el3
    mov     x3, sp
    stp     x2, x3, [x0, #256]
    b       which_reports
