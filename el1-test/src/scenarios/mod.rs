//! The scenarios, a family a file. Each reads from top to bottom: what is set up, what happens, what must be seen.

mod aarch32;
mod agree;
mod bench;
mod bench_power;
mod boot;
mod case;
mod crash;
mod features;
mod freeze;
mod held;
mod input;
mod log;
mod memory;
mod orders;
mod ownership;
mod panics;
mod races;
mod record;
mod registers;
mod reset;
mod sdei;
mod sdei_bound;
mod sdei_hostile;
mod sdei_kexec;
mod sdei_neighbours;
mod sdei_off;
mod sdei_return;
mod sdei_suspended;
mod sleeper;
mod smccc;
mod states;
pub mod storm;
mod suspend;
mod suspend_input;
mod suspend_osi;
mod suspend_stop;
mod sweep;
mod system_suspend;
mod wedge;

use crate::{check, percpu};

/// Name, least number of cores, and what it does. Each runs on the boot core with the others off, and returns when there
/// is nothing more to check. A scenario that goes through a reset or a kexec is entered again, and knows by `persist` how
/// far it has come.
const ALL: &[(&str, usize, fn())] = &[
    ("boot", 1, boot::boot),
    ("handover", 1, boot::handover),
    ("features-do-not-trap", 1, features::features_do_not_trap),
    ("bad-input", 1, input::bad_input),
    ("registers-kept", 1, registers::registers_kept),
    ("smccc", 1, smccc::smccc),
    ("reboot", 1, reset::reboot),
    ("emergency-reboot", 1, reset::emergency_reboot),
    ("reset2", 1, reset::reset2),
    ("power-off", 1, reset::power_off),
    ("power-off2", 1, reset::power_off2),
    ("panic-on-starting-core", 2, panics::panic_on_starting_core),
    ("panic-on-starting-core-kexec", 2, panics::panic_on_starting_core_kexec),
    ("crash-kexec", 1, panics::crash_kexec),
    ("crash-kexec-on-secondary", 2, panics::crash_kexec_on_secondary),
    ("kexec", 1, panics::kexec),
    ("starting-core-hangs-early", 2, panics::starting_core_hangs_early),
    ("starting-core-hangs-late", 2, panics::starting_core_hangs_late),
    ("two-panics", 2, panics::two_panics),
    ("three-panics", 3, panics::three_panics),
    ("wedged-loop", 2, wedge::wedged_loop),
    ("wedged-wfi", 2, wedge::wedged_wfi),
    ("wedged-wfe", 2, wedge::wedged_wfe),
    ("wedged-in-handler", 2, wedge::wedged_in_handler),
    ("all-but-one-wedged", 2, wedge::all_but_one_wedged),
    ("stop-for-good", 2, wedge::stop_for_good),
    ("foreign-core", 2, wedge::foreign_core),
    ("takeback-stop-one", 2, wedge::takeback_stop_one),
    ("takeback-stop-others", 2, wedge::takeback_stop_others),
    ("held-core", 2, held::held_core),
    ("ownership-held-core", 2, held::ownership),
    ("ownership-take-back", 2, ownership::take_back),
    ("ownership-boot-core", 2, ownership::take_back_boot_core),
    ("ownership-without-mmu", 2, ownership::without_mmu),
    ("ownership-same-root", 2, ownership::same_root),
    ("ownership-at-el2", 2, ownership::at_el2),
    ("ownership-race", 2, ownership::race),
    ("ownership-reclaim-off", 2, ownership::reclaim_off),
    ("ownership-fence", 2, ownership::fence),
    ("ownership-policy-in-tree", 2, ownership::policy_in_tree),
    ("ownership-no-reclaim-in-tree", 2, ownership::no_reclaim_in_tree),
    ("suspend-standby", 1, suspend::standby),
    ("suspend-power-down", 1, suspend::power_down),
    ("suspend-early-wake", 1, suspend::early_wake),
    ("default-suspend", 1, suspend::default_suspend),
    ("suspend-bad-input", 1, suspend_input::bad_input),
    ("suspend-osi", 1, suspend_osi::osi),
    ("freeze", 2, freeze::freeze),
    ("system-suspend", 1, system_suspend::system_suspend),
    ("affinity-levels", 1, states::affinity_levels),
    ("node-hw-state", 1, states::node_hw_state),
    ("stats", 1, states::stats),
    ("migrate", 1, states::migrate),
    ("suspend-stopped", 2, suspend_stop::stopped),
    ("suspend-stopped-osi", 2, suspend_stop::stopped_osi),
    ("suspend-races-stop", 2, suspend_stop::races_wake_up),
    ("suspend-woken-and-stopped", 3, suspend_stop::woken_and_stopped),
    ("suspend-panic-kexec", 2, suspend_stop::panic_kexec),
    ("suspend-take-back", 2, suspend_stop::take_back),
    ("frozen-kexec", 2, suspend_stop::frozen_kexec),
    ("features-agree", 1, agree::features_agree),
    ("reset2-keeps-memory", 1, memory::reset2_keeps_memory),
    ("mem-protect-range", 1, memory::mem_protect_range),
    ("secure-memory", 1, memory::secure_memory),
    ("mem-protect-clears-memory", 2, memory::mem_protect_clears_memory),
    ("mem-protect-clears-memory-warm", 2, memory::mem_protect_clears_memory_warm),
    ("clean-inv", 1, memory::clean_inv),
    ("stop-record", 2, wedge::stop_record),
    ("panic-on-starting-core-reboot-sweep", 2, sweep::panic_on_starting_core_reboot_sweep),
    ("stop-crash-reset-orders", 2, orders::stop_crash_reset_orders),
    ("storm", 2, storm::storm),
    ("cpu-on-by-all", 2, races::cpu_on_by_all),
    ("lost-start", 2, races::lost_start),
    ("cpu-on-races-stop", 2, races::cpu_on_races_stop),
    ("stop-record-reading", 2, record::reading),
    ("stop-record-at-highest-level", 2, record::at_highest_level),
    ("sdei-event-0", 1, sdei::event_0),
    ("sdei-suspended", 2, sdei_suspended::sdei_suspended),
    ("sdei-not-the-client", 1, sdei::not_the_client),
    ("sdei-bound-ppi", 1, sdei_bound::ppi),
    ("sdei-bound-spi", 2, sdei_bound::spi),
    ("sdei-neighbours", 2, sdei_neighbours::neighbours),
    ("sdei-illegal-return", 2, sdei_return::illegal_return),
    ("sdei-critical", 1, sdei_bound::critical),
    ("sdei-next-kernel", 1, sdei_kexec::next_kernel),
    ("sdei-hostile", 2, sdei_hostile::hostile),
    ("sdei-off-in-handler", 2, sdei_off::off_in_handler),
    ("sdei-stopped-in-handler", 2, sdei_off::stopped),
    ("log-read", 1, log::log_read),
    ("el3-stack-overflow", 1, crash::stack_overflow),
    ("el3-boot-stack-overflow", 1, crash::boot_stack_overflow),
    ("el3-panic", 1, crash::panic),
    ("el3-wild-write", 1, crash::wild_write),
    ("bench", 1, bench::bench),
    ("bench-scale", 2, bench_power::scale),
];

/// Runs one, to the end.
pub fn run(name: &str) -> ! {
    let cores = percpu::count();
    match ALL.iter().find(|&&(known, ..)| known == name) {
        Some(&(_, least, scenario)) if cores >= least => scenario(),
        Some((_, least, _)) => {
            check!(false, "cores for {name}: expected at least {least}, saw {cores}");
        }
        None => {
            check!(false, "no scenario has the name {name}");
        }
    }
    check::finish()
}
