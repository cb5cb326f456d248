//! What every stop has to leave behind.

use crate::heartbeat::Snapshot;
use crate::{cpu, percpu, persist, psci, smp};

/// Checks that every other core is OFF in firmware, and that no heart but ours beats.
pub fn standstill() -> bool {
    let others = percpu::others().count();
    let is_off = |&index: &usize| psci::affinity_info(percpu::cpu(index).mpidr()) == psci::STATE_OFF;
    let off = percpu::others().filter(is_off).count();
    if off != others {
        for index in percpu::others().filter(|index| !is_off(index)) {
            let state = psci::affinity_info(percpu::cpu(index).mpidr());
            check!(false, "AFFINITY_INFO of core {index}: expected OFF (1), saw {state}: lost");
        }
    }
    let all_off = check_eq!(off, others, "other cores that are OFF in firmware");
    let moved = Snapshot::take().first_moved_later(percpu::others());
    let still = check!(moved.is_none(), "no other heart beats while core {} goes on{}", cpu::index(), By(moved));
    all_off && still
}

/// Checks that no core of the kernel before this one beats.
pub fn predecessor_is_still() -> bool {
    let before = persist::page().generation.get() - 1;
    let moved = Snapshot::of_generation(before).first_moved_later(0..percpu::count());
    check!(moved.is_none(), "no core runs on in the kernel before this one{}", By(moved))
}

/// The whole promise: nothing but this core runs, and everything can.
pub fn stopped_and_startable() -> bool {
    standstill() & smp::bring_up_all()
}

/// The same in a kernel that was started by another one, which must not run on either.
pub fn nothing_left_behind() -> bool {
    predecessor_is_still() & stopped_and_startable()
}

struct By(Option<usize>);

impl core::fmt::Display for By {
    fn fmt(&self, f: &mut core::fmt::Formatter) -> core::fmt::Result {
        self.0.map_or(Ok(()), |index| write!(f, ": that of core {index} does, it is lost"))
    }
}
