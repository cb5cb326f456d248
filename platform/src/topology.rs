//! How a core's affinity becomes its number.

/// MPIDR_EL1's affinity fields: Aff3 in bits 39..32, Aff2 to Aff0 in bits 23..0 (DDI0487, MPIDR_EL1).
pub const AFFINITY_MASK: u64 = 0xff_00ff_ffff;

/// A machine's numbering: a core's number is the sum of its affinity fields, each shifted left.
#[derive(Clone, Copy, Debug)]
pub struct Topology {
    /// For Aff0, Aff1 and Aff2. A field that is always 0 has shift 0. Aff3 is always 0.
    pub shift: [u32; 3],
    /// How many values each of Aff0, Aff1 and Aff2 can have.
    pub limit: [u64; 3],
}

impl Topology {
    /// The number of the core with this affinity (bits outside the affinity fields clear), if the machine could have it.
    #[inline]
    pub const fn index(&self, affinity: u64) -> Option<usize> {
        let [aff0, aff1, aff2] = [affinity & 0xff, affinity >> 8 & 0xff, affinity >> 16];
        if aff0 >= self.limit[0] || aff1 >= self.limit[1] || aff2 >= self.limit[2] {
            return None;
        }
        Some(((aff0 << self.shift[0]) + (aff1 << self.shift[1]) + (aff2 << self.shift[2])) as usize)
    }
}
