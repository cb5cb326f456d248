// What the compiler calls to copy and to fill memory. Short: compiler_builtins' own, made to be fast, take ten times the room.
// Every access is aligned, as EL3 wants it. Clobbers x1-x5 only.
.section .text.gap.memcpy, "ax"
.global memcpy
memcpy:                             // (x0 = to, x1 = from, x2 = bytes) -> x0 = to
    mov     x3, x0
    orr     x4, x0, x1
    tst     x4, #7
    b.ne    3f
    subs    x2, x2, #16
    b.lo    2f
1:  ldp     x4, x5, [x1], #16
    stp     x4, x5, [x3], #16
    subs    x2, x2, #16
    b.hs    1b
2:  add     x2, x2, #16
3:  cbz     x2, 4f
    ldrb    w4, [x1], #1
    strb    w4, [x3], #1
    sub     x2, x2, #1
    b       3b
4:  ret

.section .text.memset, "ax"
.global memset
memset:                             // (x0 = to, w1 = byte, x2 = bytes) -> x0 = to
    mov     x3, x0
    and     x1, x1, #0xff
    orr     x1, x1, x1, lsl #8
    orr     x1, x1, x1, lsl #16
    orr     x1, x1, x1, lsl #32
    tst     x0, #7
    b.ne    3f
    subs    x2, x2, #16
    b.lo    2f
1:  stp     x1, x1, [x3], #16
    subs    x2, x2, #16
    b.hs    1b
2:  add     x2, x2, #16
3:  cbz     x2, 4f
    strb    w1, [x3], #1
    sub     x2, x2, #1
    b       3b
4:  ret
