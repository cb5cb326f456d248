//! What the standard service calls say of this firmware (DEN0028, 6.2).

/// The UID of the standard services, one 32-bit word a register: 6913e3f4-de93-4ab0-8a88-31815d740e2e.
pub const UID: [u32; 4] = [0xf4e3_1369, 0xb04a_93de, 0x8131_888a, 0x2e0e_745d];
/// Their revision: major, minor.
pub const REVISION: [u64; 2] = [1, 0];
/// What TRNG_GET_UUID answers (DEN0098): 8dac0f06-02a8-4c99-b5a1-6fbcc6823df6.
pub const TRNG_UUID: [u64; 4] = [0x060f_ac8d, 0x994c_a802, 0xbc6f_a1b5, 0xf63d_82c6];
