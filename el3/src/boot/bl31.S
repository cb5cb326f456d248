// What the boot core does as BL31, behind somebody else's BL2, before it touches its memory. Translation and caches off.
//
// In: x20 = what BL2 left in x0, bl_params_t (Trusted Firmware-A, include/common/bl_common.h), which may lie where the
// monitor's own memory is. Out: x21 = where BL33 begins, 0 if BL2 says nothing of one. Clobbers x0-x3.
.section .text.bl31, "ax"
bl31_entry:
    mov     x21, #0
    cbz     x20, 3f
    ldr     x1, [x20, #8]               // head
1:  cbz     x1, 3f
    ldr     w0, [x1]                    // image_id
    cmp     w0, #5                      // BL33_IMAGE_ID
    b.eq    2f
    ldr     x1, [x1, #24]               // next_params_info
    b       1b
2:  ldr     x1, [x1, #16]               // ep_info
    ldr     x21, [x1, #8]               // pc

    // BL1 and BL2 had their data here, with caches on: a dirty line of theirs must not be written back over ours later.
3:  adrp    x0, __data_start
    adrp    x1, __core_pages_end
    mrs     x2, ctr_el0
    ubfx    x2, x2, #16, #4             // DminLine: log2 of words
    mov     x3, #4
    lsl     x2, x3, x2
4:  dc      ivac, x0
    add     x0, x0, x2
    cmp     x0, x1
    b.lo    4b
    dsb     sy
    ret
