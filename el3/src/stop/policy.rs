//! What is done with cores that a dead kernel has left behind: STOP_POLICY.

use abi::call::{policy, status};
use core::sync::atomic::{AtomicU64, Ordering::*};

/// All bits that there are.
const KNOWN: u64 = policy::RECLAIM | policy::FENCE | policy::LOCK;

/// What the build says; the device tree and STOP_POLICY may change it.
const BUILT: u64 = {
    let reclaim = if cfg!(feature = "no-reclaim") { 0 } else { policy::RECLAIM };
    let fence = if cfg!(feature = "fence") { policy::FENCE } else { 0 };
    let lock = if cfg!(feature = "policy-locked") { policy::LOCK } else { 0 };
    reclaim | fence | lock
};

static POLICY: Policy = Policy::new(BUILT);

/// The policy in force.
struct Policy(AtomicU64);

impl Policy {
    const fn new(bits: u64) -> Self {
        Self(AtomicU64::new(bits))
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Replaces it, unless it is locked.
    fn set(&self, bits: u64) -> Result<u64, i64> {
        if bits & !KNOWN != 0 {
            return Err(status::INVALID_PARAMETERS);
        }
        let unless_locked = |now: u64| (now & policy::LOCK == 0).then_some(bits);
        match self.0.fetch_update(Relaxed, Relaxed, unless_locked) {
            Ok(_) => Ok(bits),
            Err(_) => Err(status::DENIED),
        }
    }

    fn call(&self, operation: u64, bits: u64) -> Result<u64, i64> {
        match operation {
            policy::GET => Ok(self.get()),
            policy::SET => self.set(bits),
            _ => Err(status::INVALID_PARAMETERS),
        }
    }
}

/// STOP_POLICY: the policy in force after the operation, or the error.
pub fn call(operation: u64, bits: u64) -> Result<u64, i64> {
    POLICY.call(operation, bits)
}

/// At boot: what the device tree changes of what was built.
pub fn init(set: u64, clear: u64) {
    POLICY.0.store(BUILT & !clear | set, Relaxed);
}

/// CPU_ON takes back cores of another owner.
pub fn reclaim() -> bool {
    POLICY.get() & policy::RECLAIM != 0
}

/// A new owner's first call stops all other cores.
pub fn fence() -> bool {
    POLICY.get() & policy::FENCE != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_taken_back_unless_somebody_says_otherwise() {
        assert_eq!(BUILT, policy::RECLAIM);
    }

    #[test]
    fn what_is_set_is_in_force() {
        let now = Policy::new(BUILT);
        assert_eq!(now.call(policy::SET, policy::FENCE), Ok(policy::FENCE));
        assert_eq!(now.call(policy::GET, u64::MAX), Ok(policy::FENCE));
        assert_eq!(now.call(policy::SET, 0), Ok(0));
    }

    #[test]
    fn a_locked_policy_stays() {
        let now = Policy::new(BUILT);
        let locked = policy::RECLAIM | policy::FENCE | policy::LOCK;
        assert_eq!(now.call(policy::SET, locked), Ok(locked));
        for bits in [0, policy::RECLAIM, locked] {
            assert_eq!(now.call(policy::SET, bits), Err(status::DENIED));
        }
        assert_eq!(now.call(policy::GET, 0), Ok(locked));
    }

    #[test]
    fn other_bits_and_operations_are_refused() {
        let now = Policy::new(BUILT);
        assert_eq!(now.call(policy::SET, 8), Err(status::INVALID_PARAMETERS));
        assert_eq!(now.call(policy::SET, u64::MAX), Err(status::INVALID_PARAMETERS));
        assert_eq!(now.call(2, 0), Err(status::INVALID_PARAMETERS));
        assert_eq!(now.get(), BUILT);
    }
}
