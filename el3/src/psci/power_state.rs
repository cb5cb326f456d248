//! The power states that there are (DEN0022, 5.4.2 and 6.5): the extended StateID format, with Arm's recommended encoding.
//!
//! Bits 3..0 are the core's state, 7..4 its cluster's, 11..8 the system's: 0 runs, 1 standby, 3 power-down. Bits 15..12 say at which level
//! the caller is the last that runs, where the OS coordinates (0: its own), and nothing elsewhere; bit 30, whether the core
//! loses its state.

/// The levels of the power tree: core, cluster, system.
pub const LEVELS: usize = 3;

/// What a node of the power tree is in, or asked for, as the encoding has it: the deeper, the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Local {
    /// It runs.
    Run = 0,
    /// It waits, and keeps its state.
    Standby = 1,
    /// It has no power.
    PowerDown = 3,
}

impl Local {
    /// From two bits or more, of which the others are zero.
    pub const fn from_bits(bits: u64) -> Self {
        match bits {
            0 => Self::Run,
            1 => Self::Standby,
            _ => Self::PowerDown,
        }
    }
}

/// All that can be asked for, bits 15..12 left out. A node is never in a deeper state than those in it.
const STATES: [u32; 9] =
    [0x1, 0x11, 0x111, 0x4000_0003, 0x4000_0013, 0x4000_0033, 0x4000_0113, 0x4000_0133, 0x4000_0333];
const LAST_SHIFT: u32 = 12;
const LAST: u32 = 0xf << LAST_SHIFT;

/// What a core asks for: a state for itself and for each node that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerState(u32);

impl PowerState {
    /// The core alone loses its power: CPU_DEFAULT_SUSPEND.
    pub const CORE_DOWN: Self = Self(STATES[3]);
    /// Its cluster does, too.
    pub const CLUSTER_DOWN: Self = Self(STATES[5]);
    /// All does: SYSTEM_SUSPEND.
    pub const SYSTEM_DOWN: Self = Self(STATES[8]);

    /// The state with this number, whoever coordinates.
    pub fn new(number: u32) -> Option<Self> {
        let state = Self(number);
        STATES.contains(&(number & !LAST)).then_some(state)
    }

    /// What CPU_SUSPEND is asked for. Where the OS coordinates it names the highest level at which the caller is the last; that
    /// is at least the highest that is to change (DEN0022, 4.2.3.2).
    pub fn request(number: u32, os_initiated: bool) -> Option<Self> {
        let state = Self::new(number)?;
        (!os_initiated || (state.deepest()..LEVELS).contains(&state.last())).then_some(state)
    }

    /// One that was stored.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits as u32)
    }

    /// To store it.
    pub const fn bits(self) -> u64 {
        self.0 as u64
    }

    /// What is asked for at a level.
    pub const fn local(self, level: usize) -> Local {
        let shift = (4 * level as u32) & 0xc;
        Local::from_bits((self.0 >> shift & 0xf) as u64)
    }

    /// The highest level that is to change.
    pub fn deepest(self) -> usize {
        (1..LEVELS).rev().find(|&level| self.local(level) != Local::Run).unwrap_or(0)
    }

    /// The level at which the caller says that it is the last.
    pub const fn last(self) -> usize {
        ((self.0 & LAST) >> LAST_SHIFT) as usize
    }

    /// The core loses its state, and begins anew.
    pub fn is_power_down(self) -> bool {
        self.local(0) == Local::PowerDown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_asked_for() {
        for number in 0..0x1_0000 {
            for kind in [0, 0x4000_0000] {
                let number = number | kind;
                let digits = [number & 0xf, number >> 4 & 0xf, number >> 8 & 0xf];
                let [core, cluster, system] = digits;
                let is_one = digits.iter().all(|digit| [0, 1, 3].contains(digit))
                    && core == (if kind == 0 { 1 } else { 3 })
                    && cluster <= core
                    && system <= cluster;
                assert_eq!(PowerState::new(number).is_some(), is_one, "{number:#x}");
            }
        }
        for number in [0x8000_0001, 0x1_0001, 0x4001_0003, 0x0001_0000, 0x1000_0003, 0x2000_0003] {
            assert_eq!(PowerState::new(number), None, "{number:#x}");
        }
    }

    #[test]
    fn the_last_level_belongs_to_the_os() {
        let pairs = |os_initiated| move |number| PowerState::request(number, os_initiated).is_some();
        // Where the platform coordinates they mean nothing.
        assert!([0x1, 0x1001, 0x4000_0033, 0x4000_1033, 0x4000_0333, 0x4000_f333].into_iter().all(pairs(false)));
        let osi = pairs(true);
        assert!(
            [0x1, 0x4000_0003, 0x4000_1003, 0x4000_2003, 0x4000_1033, 0x4000_2033, 0x4000_2333]
                .map(osi)
                .iter()
                .all(|&good| good)
        );
        assert!(
            [0x4000_0033, 0x4000_1333, 0x4000_0013, 0x4000_3003, 0xf001, 0x11].map(osi).iter().all(|&good| !good)
        );
    }

    #[test]
    fn levels_are_told_apart() {
        let state = PowerState::new(0x4000_2133).unwrap();
        assert_eq!([0, 1, 2].map(|level| state.local(level)), [Local::PowerDown, Local::PowerDown, Local::Standby]);
        assert_eq!((state.deepest(), state.last(), state.is_power_down()), (2, 2, true));
        assert!(!PowerState::new(0x11).unwrap().is_power_down());
        for local in [Local::Run, Local::Standby, Local::PowerDown] {
            assert_eq!(Local::from_bits(local as u64), local);
        }
        assert_eq!(PowerState::from_bits(state.bits()), state);
        assert_eq!(PowerState::SYSTEM_DOWN.bits(), 0x4000_0333);
        assert_eq!(PowerState::CORE_DOWN.bits(), 0x4000_0003);
    }
}
