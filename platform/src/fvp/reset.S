// What a core on the FVP does first of all, called by the monitor's reset vector with translation and caches off.
//
// Out: x0 = 0: this is the boot core after a reset of the machine. x0 = 1: the core was powered on by another one, and
// goes on as any core does that has been OFF. A core that is neither (models can be told to start with several on)
// powers itself off and does not return.
// In: x19 = the core's number, x30. Clobbers x0-x6.
.section .text.machine_reset, "ax"
.global machine_reset
machine_reset:
    mrs     x0, mpidr_el1
    and     w0, w0, #0xffffff

    // Its cluster takes part in coherency from here on: before the core turns its caches on, and before it is snooped
    // for the first time. Clusters keep their power, so nothing takes this back. Foundation has no interconnect.
    ldr     x1, ={sys_id}
    ldr     w2, [x1]
    ubfx    w2, w2, #16, #12
    cmp     w2, #{foundation}
    b.eq    2f
    ldr     x1, ={cci}
    ubfx    w2, w0, #16, #8
    lsl     w2, w2, #12
    add     w2, w2, #{cci_cluster0}
    mov     w3, #3                      // snoops, DVM messages
    str     w3, [x1, x2]
    dsb     sy
    mov     w4, #0x10000
1:  ldr     w3, [x1, #0xc]              // Status: bit 0, a change is pending
    tbz     w3, #0, 2f
    subs    w4, w4, #1
    b.ne    1b

    // Why does it run? (platform::fvp::power)
2:  ldr     x1, ={controller}
    mov     w4, #{tries}
3:  str     w0, [x1, #{psysr}]
    ldr     w2, [x1, #{psysr}]
    eor     w3, w2, w0
    tst     w3, #0xffffff
    b.eq    4f
    subs    w4, w4, #1
    b.ne    3b
4:  ubfx    w2, w2, #24, #2
    cmp     w2, #{woken}
    b.hs    5f
    cbnz    x19, 6f
    mov     x0, #0
    ret
5:  mov     x0, #1
    ret
6:  str     w0, [x1, #{ppoffr}]
    dsb     sy
7:  wfi
    b       7b
