//! How often a node of the power tree was in which state, and how long: what PSCI_STAT_* tell.

use super::power_state::Local;
use core::sync::atomic::{AtomicU64, Ordering::*};

/// A node's state and its history. Its cores change it without a lock: each says when it [releases](Self::release) the node and when it
/// [claims](Self::claim) it again, and whoever is the last to release it [notes](Self::rest) that it rests.
pub struct Residency {
    /// How many of its cores run in bits 31..0; how often one has claimed it, in bits 63..32. Not of a core itself.
    running: AtomicU64,
    /// What is noted: the state in bits 1..0, when it began in bits 63..2; 0: it runs.
    now: AtomicU64,
    /// For standby and power-down.
    past: [Past; 2],
}

struct Past {
    count: AtomicU64,
    ticks: AtomicU64,
}

/// A core that claims the node.
const CLAIM: u64 = 1 << 32 | 1;

/// The node as its last core has left it: [`Residency::rest`] sees by it whether somebody has claimed it since.
pub struct Last(u64);

impl Residency {
    /// Nothing was before.
    pub const fn new() -> Self {
        Self {
            running: AtomicU64::new(0),
            now: AtomicU64::new(0),
            past: [const { Past { count: AtomicU64::new(0), ticks: AtomicU64::new(0) } }; 2],
        }
    }

    /// Begins anew, in power-down since then.
    pub fn begin(&self, ticks: u64) {
        self.running.store(0, Relaxed);
        self.now.store(word(Local::PowerDown, ticks), Relaxed);
        for past in &self.past {
            past.count.store(0, Relaxed);
            past.ticks.store(0, Relaxed);
        }
    }

    /// The state that is noted.
    pub fn state(&self) -> Local {
        Local::from_bits(self.now.load(SeqCst) & 3)
    }

    /// A core of it, which had claimed it, does not run any more; if that was the last one, the node may rest.
    #[inline]
    pub fn release(&self) -> Option<Last> {
        let left = self.running.fetch_sub(1, SeqCst).wrapping_sub(1);
        (left as u32 == 0).then_some(Last(left))
    }

    /// It is in this state, which is not that it runs, from now on, in ticks of the counter; unless somebody has claimed it.
    pub fn rest(&self, last: Last, state: Local, ticks: u64) -> bool {
        let note = word(state, ticks);
        let rests = || self.running.load(SeqCst) == last.0;
        // Somebody may have claimed it, and released it as the last: what that one has noted stays.
        if self.now.fetch_update(SeqCst, SeqCst, |_| rests().then_some(note)).is_err() {
            return false;
        }
        // Whoever has claimed it before the note was there did not see it, and is seen here.
        let rests = rests();
        if !rests {
            let _ = self.now.compare_exchange(note, 0, SeqCst, Relaxed);
        }
        rests
    }

    /// A core is in this state from now on, which is not that it runs, in ticks of the counter. It has no others to agree with.
    #[inline]
    pub fn enter(&self, state: Local, ticks: u64) {
        self.now.store(word(state, ticks), SeqCst);
    }

    /// A core of it runs, so that it rests no more. Its rest is counted if that was one: it ends at this time.
    #[inline]
    pub fn claim(&self, ticks: Option<u64>) {
        self.running.fetch_add(CLAIM, SeqCst);
        if self.state() != Local::Run {
            self.end(ticks);
        }
    }

    /// It runs.
    #[inline(never)] // once in the image
    pub fn end(&self, ticks: Option<u64>) {
        let was = self.now.swap(0, SeqCst);
        if let (Some(past), Some(ticks)) = (self.past(Local::from_bits(was & 3)), ticks) {
            // The two bits that were cut off do not matter to a difference. It may have begun after the other core had read the counter.
            let passed = (ticks << 2).wrapping_sub(was & !3) as i64;
            past.count.fetch_add(1, Relaxed);
            past.ticks.fetch_add(passed.max(0) as u64 >> 2, Relaxed);
        }
    }

    /// How often it has left this state, and how long it was in it until then, in ticks.
    pub fn history(&self, state: Local) -> (u64, u64) {
        self.past(state).map_or((0, 0), |past| (past.count.load(Relaxed), past.ticks.load(Relaxed)))
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

const fn word(state: Local, ticks: u64) -> u64 {
    ticks << 2 | state as u64
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

    const EACH: [Local; 3] = [Local::Run, Local::Standby, Local::PowerDown];

    /// Its only core releases it: it rests.
    fn rests(node: &Residency, state: Local, ticks: u64) {
        assert!(node.rest(node.release().unwrap(), state, ticks));
        assert_eq!(node.state(), state);
    }

    /// A node whose only core runs.
    fn running() -> Residency {
        let node = Residency::new();
        node.claim(None);
        node
    }

    #[test]
    fn each_stay_is_counted_in_its_state() {
        let node = running();
        rests(&node, Local::Standby, 100);
        node.claim(Some(150));
        rests(&node, Local::PowerDown, 200);
        node.claim(Some(1200));
        rests(&node, Local::PowerDown, 2000);
        node.claim(Some(2001));
        assert_eq!(EACH.map(|state| node.history(state)), [(0, 0), (1, 50), (2, 1001)]);
        assert_eq!(node.state(), Local::Run);
        // At boot nothing was, and there is no power until the first core comes.
        node.begin(3000);
        assert_eq!((node.state(), node.history(Local::PowerDown)), (Local::PowerDown, (0, 0)));
        node.claim(Some(3007));
        assert_eq!(node.history(Local::PowerDown), (1, 7));
        // It ends by a core that has read the counter before it began.
        rests(&node, Local::PowerDown, 3500);
        node.claim(Some(3400));
        assert_eq!(node.history(Local::PowerDown), (2, 7));
        // A core has no others to agree with.
        node.enter(Local::Standby, 4000);
        node.end(Some(4001));
        assert_eq!((node.state(), node.history(Local::Standby)), (Local::Run, (1, 1)));
    }

    #[test]
    fn a_stay_that_was_none_is_not_counted() {
        let node = running();
        node.claim(Some(5));
        assert!(node.release().is_none());
        rests(&node, Local::PowerDown, 10);
        node.claim(None);
        assert_eq!(node.state(), Local::Run);
        node.claim(Some(30));
        assert_eq!(EACH.map(|state| node.history(state)), [(0, 0); 3]);
    }

    #[test]
    fn whoever_was_the_last_notes_nothing_once_another_has_been_there() {
        let node = running();
        let last = node.release().unwrap();
        node.claim(Some(5));
        assert!(!node.rest(last, Local::Standby, 10));
        assert_eq!(node.state(), Local::Run);
        // Not even if that one has gone again: it may have wanted less.
        let first = node.release().unwrap();
        node.claim(Some(15));
        let second = node.release().unwrap();
        assert!(!node.rest(first, Local::PowerDown, 20));
        assert!(node.rest(second, Local::Standby, 20));
        assert_eq!(node.state(), Local::Standby);
        // Nor does it take away what that one has noted.
        node.claim(None);
        let first = node.release().unwrap();
        node.claim(None);
        rests(&node, Local::Standby, 30);
        assert!(!node.rest(first, Local::PowerDown, 40));
        assert_eq!(node.state(), Local::Standby);
    }

    #[test]
    fn a_stay_across_the_counters_upper_bits_has_its_length() {
        let node = running();
        rests(&node, Local::Standby, (1 << 62) - 10);
        node.claim(Some((1 << 62) + 5));
        assert_eq!(node.history(Local::Standby).1, 15);
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
