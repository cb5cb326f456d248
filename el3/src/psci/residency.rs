//! How often a node of the power tree was in which state, and how long: what PSCI_STAT_* tell.

use super::power_state::Local;
use core::sync::atomic::{AtomicU64, Ordering::*};

/// A node's state and its history. Cores change it without a lock.
pub struct Residency {
    /// The state in bits 1..0, when it began in bits 63..2; 0: it runs.
    now: AtomicU64,
    /// For standby and power-down.
    past: [Past; 2],
}

struct Past {
    count: AtomicU64,
    ticks: AtomicU64,
}

impl Residency {
    /// It runs, and always did.
    pub const fn new() -> Self {
        Self {
            now: AtomicU64::new(0),
            past: [const { Past { count: AtomicU64::new(0), ticks: AtomicU64::new(0) } }; 2],
        }
    }

    /// Begins anew, at boot.
    pub fn clear(&self) {
        self.now.store(0, Relaxed);
        for past in &self.past {
            past.count.store(0, Relaxed);
            past.ticks.store(0, Relaxed);
        }
    }

    /// The node's state.
    pub fn state(&self) -> Local {
        Local::from_bits(self.now.load(SeqCst) & 3)
    }

    /// Whether it rests. Whoever asks because it has to end that has said that it runs before, with a fence in between: a note that
    /// is not seen here was made by a core that then sees it run, and cancels.
    #[inline(always)]
    pub fn rests(&self) -> bool {
        self.now.load(Relaxed) != 0
    }

    /// It is in this state from now on, in ticks of the counter, if it ran.
    #[inline(never)] // once in the image
    pub fn enter(&self, state: Local, ticks: u64) {
        let _ = self.now.compare_exchange(0, ticks << 2 | state.bits(), SeqCst, Relaxed);
    }

    /// It runs again: for whoever finds it so.
    pub fn leave(&self, ticks: u64) {
        let was = self.now.swap(0, SeqCst);
        if let Some(past) = self.past(Local::from_bits(was & 3)) {
            // The two bits that were cut off do not matter to a difference.
            let passed = (ticks << 2).wrapping_sub(was & !3) >> 2;
            past.count.fetch_add(1, Relaxed);
            past.ticks.fetch_add(passed, Relaxed);
        }
    }

    /// It ran all along.
    pub fn cancel(&self) {
        self.now.store(0, SeqCst);
    }

    /// How often it has left this state.
    pub fn count(&self, state: Local) -> u64 {
        self.past(state).map_or(0, |past| past.count.load(Relaxed))
    }

    /// How long it was in it until then, in ticks.
    pub fn ticks(&self, state: Local) -> u64 {
        self.past(state).map_or(0, |past| past.ticks.load(Relaxed))
    }

    fn past(&self, state: Local) -> Option<&Past> {
        let [standby, power_down] = &self.past;
        match state {
            Local::Run => None,
            Local::Standby => Some(standby),
            Local::PowerDown => Some(power_down),
        }
    }
}

impl Default for Residency {
    fn default() -> Self {
        Self::new()
    }
}

/// Ticks of a counter of so many Hz in microseconds.
pub fn microseconds(ticks: u64, hertz: u64) -> u64 {
    const MILLION: u64 = 1_000_000;
    let (Some(seconds), Some(rest)) = (ticks.checked_div(hertz), ticks.checked_rem(hertz)) else { return 0 };
    // The rest is less than a second's ticks, and those are fewer than 2^32 (DDI0487, CNTFRQ_EL0).
    seconds.saturating_mul(MILLION).saturating_add(rest.saturating_mul(MILLION) / hertz)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stay_is_counted_in_its_state() {
        let node = Residency::new();
        node.enter(Local::Standby, 100);
        assert_eq!(node.state(), Local::Standby);
        node.leave(150);
        node.enter(Local::PowerDown, 200);
        node.leave(1200);
        node.enter(Local::PowerDown, 2000);
        node.leave(2001);
        assert_eq!([Local::Run, Local::Standby, Local::PowerDown].map(|state| node.count(state)), [0, 1, 2]);
        assert_eq!([Local::Run, Local::Standby, Local::PowerDown].map(|state| node.ticks(state)), [0, 50, 1001]);
        assert_eq!(node.state(), Local::Run);
        node.clear();
        assert_eq!(node.count(Local::PowerDown), 0);
    }

    #[test]
    fn nobody_leaves_what_is_not_entered_and_nobody_enters_twice() {
        let node = Residency::new();
        node.leave(5);
        node.enter(Local::PowerDown, 10);
        node.enter(Local::Standby, 20);
        node.cancel();
        node.leave(30);
        assert_eq!([Local::Standby, Local::PowerDown].map(|state| node.count(state)), [0, 0]);
    }

    #[test]
    fn a_stay_across_the_counters_upper_bits_has_its_length() {
        let node = Residency::new();
        node.enter(Local::Standby, (1 << 62) - 10);
        node.leave((1 << 62) + 5);
        assert_eq!(node.ticks(Local::Standby), 15);
    }

    #[test]
    fn ticks_become_microseconds() {
        assert_eq!(microseconds(62_500_000, 62_500_000), 1_000_000);
        assert_eq!(microseconds(63, 62_500_000), 1);
        assert_eq!(microseconds(1_000_000_007 * 1000, 1_000_000_000), 1_000_000_007);
        assert_eq!(microseconds(u64::MAX, 1_000_000_000), 18_446_744_073_709_551);
        assert_eq!(microseconds(5, 0), 0);
        assert_eq!(microseconds(u64::MAX, 1), u64::MAX);
    }
}
