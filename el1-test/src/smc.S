// Calls to the firmware that look at more than their results.

.arch_extension fp
.arch_extension simd
.arch_extension sve

// All of q0-q31 to or from x0.
.macro all_q how
    \how    q0, q1, [x0, {Q} + 0]
    \how    q2, q3, [x0, {Q} + 32]
    \how    q4, q5, [x0, {Q} + 64]
    \how    q6, q7, [x0, {Q} + 96]
    \how    q8, q9, [x0, {Q} + 128]
    \how    q10, q11, [x0, {Q} + 160]
    \how    q12, q13, [x0, {Q} + 192]
    \how    q14, q15, [x0, {Q} + 224]
    \how    q16, q17, [x0, {Q} + 256]
    \how    q18, q19, [x0, {Q} + 288]
    \how    q20, q21, [x0, {Q} + 320]
    \how    q22, q23, [x0, {Q} + 352]
    \how    q24, q25, [x0, {Q} + 384]
    \how    q26, q27, [x0, {Q} + 416]
    \how    q28, q29, [x0, {Q} + 448]
    \how    q30, q31, [x0, {Q} + 480]
.endm

// All of x2-x27 to or from the block at the register named.
.macro x2_to_x27 how, at
    \how    x2, x3, [\at, #16]
    \how    x4, x5, [\at, #32]
    \how    x6, x7, [\at, #48]
    \how    x8, x9, [\at, #64]
    \how    x10, x11, [\at, #80]
    \how    x12, x13, [\at, #96]
    \how    x14, x15, [\at, #112]
    \how    x16, x17, [\at, #128]
    \how    x18, x19, [\at, #144]
    \how    x20, x21, [\at, #160]
    \how    x22, x23, [\at, #176]
    \how    x24, x25, [\at, #192]
    \how    x26, x27, [\at, #208]
.endm

// z0-z31 to or from x9, p0-p15 to or from x10.
.macro all_z how
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \how    z\n, [x9, #\n, mul vl]
    .endr
.endm
.macro all_p how
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    \how    p\n, [x10, #\n, mul vl]
    .endr
.endm

// x9 = the z registers' place, x1; x10 = that of the p registers, behind them; FFR's follows.
.macro vector_places
    mov     x9, x1
    addvl   x10, x9, #31
    addvl   x10, x10, #1
.endm

// ---- An SMC with every register known.
// In: x0 = Registers, x1 = Vectors or 0 (smc.rs): loaded before the call, and what is left afterwards stored to the same
// place. Standard procedure call, and no FP or SVE register keeps its value.
.section .text.smc_probe, "ax"
.global smc_probe
smc_probe:
    sub     sp, sp, #128
    str     x1, [sp, #120]
    stp     x18, x19, [sp]
    stp     x20, x21, [sp, #16]
    stp     x22, x23, [sp, #32]
    stp     x24, x25, [sp, #48]
    stp     x26, x27, [sp, #64]
    stp     x28, x29, [sp, #80]
    stp     x30, x0, [sp, #96]
    all_q   ldp
    cbz     x1, 1f
    vector_places
    ldr     p0, [x10, #16, mul vl]
    wrffr   p0.b
    all_p   ldr
    all_z   ldr                             // their lower parts are q0-q31
1:  x2_to_x27 ldp, x0
    ldp     x28, x29, [x0, #224]
    ldr     x30, [x0, #240]
    ldp     x0, x1, [x0]
    smc     #0
    str     x0, [sp, #112]
    ldr     x0, [sp, #104]
    x2_to_x27 stp, x0
    stp     x28, x29, [x0, #224]
    str     x30, [x0, #240]
    str     x1, [x0, #8]
    ldr     x1, [sp, #112]
    str     x1, [x0]
    all_q   stp
    ldr     x1, [sp, #120]
    cbz     x1, 2f
    vector_places
    all_z   str
    all_p   str
    rdffr   p0.b
    str     p0, [x10, #16, mul vl]
2:  ldp     x18, x19, [sp]
    ldp     x20, x21, [sp, #16]
    ldp     x22, x23, [sp, #32]
    ldp     x24, x25, [sp, #48]
    ldp     x26, x27, [sp, #64]
    ldp     x28, x29, [sp, #80]
    ldr     x30, [sp, #96]
    add     sp, sp, #128
    ret

// ---- The counter just before an SMC and just after it.
// In: x0-x3 = the call. Out: x0 = ticks between the two reads. The rest as after the call.
.section .text.smc_ticks, "ax"
.global smc_ticks
smc_ticks:
    stp     x19, x30, [sp, #-16]!
    isb
    mrs     x19, cntvct_el0
    smc     #0
    mrs     x0, cntvct_el0
    sub     x0, x0, x19
    ldp     x19, x30, [sp], #16
    ret

// The same without the call.
.global no_smc_ticks
no_smc_ticks:
    stp     x19, x30, [sp, #-16]!
    isb
    mrs     x19, cntvct_el0
    mrs     x0, cntvct_el0
    sub     x0, x0, x19
    ldp     x19, x30, [sp], #16
    ret
