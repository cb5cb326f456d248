//! The scenarios, a family a file. Each reads from top to bottom: what is set up, what happens, what must be seen.

mod bench;
mod boot;
mod crash;
mod features;
mod input;
mod log;
mod orders;
mod panics;
mod races;
mod record;
mod reset;
pub mod storm;
mod sweep;
mod wedge;

use crate::check;

/// Each runs on the boot core with the others off, and returns when there is nothing more to check. A scenario that goes
/// through a reset or a kexec is entered again, and knows by `persist` how far it has come.
const ALL: &[(&str, fn())] = &[
    ("boot", boot::boot),
    ("handover", boot::handover),
    ("features-do-not-trap", features::features_do_not_trap),
    ("bad-input", input::bad_input),
    ("reboot", reset::reboot),
    ("emergency-reboot", reset::emergency_reboot),
    ("reset2", reset::reset2),
    ("power-off", reset::power_off),
    ("power-off2", reset::power_off2),
    ("panic-on-starting-core", panics::panic_on_starting_core),
    ("panic-on-starting-core-kexec", panics::panic_on_starting_core_kexec),
    ("crash-kexec", panics::crash_kexec),
    ("crash-kexec-on-secondary", panics::crash_kexec_on_secondary),
    ("kexec", panics::kexec),
    ("starting-core-hangs-early", panics::starting_core_hangs_early),
    ("starting-core-hangs-late", panics::starting_core_hangs_late),
    ("two-panics", panics::two_panics),
    ("three-panics", panics::three_panics),
    ("wedged-loop", wedge::wedged_loop),
    ("wedged-wfi", wedge::wedged_wfi),
    ("wedged-wfe", wedge::wedged_wfe),
    ("all-but-one-wedged", wedge::all_but_one_wedged),
    ("foreign-core", wedge::foreign_core),
    ("takeback-stop-one", wedge::takeback_stop_one),
    ("takeback-stop-others", wedge::takeback_stop_others),
    ("stop-record", wedge::stop_record),
    ("panic-on-starting-core-reboot-sweep", sweep::panic_on_starting_core_reboot_sweep),
    ("stop-crash-reset-orders", orders::stop_crash_reset_orders),
    ("storm", storm::storm),
    ("cpu-on-by-all", races::cpu_on_by_all),
    ("cpu-on-races-stop", races::cpu_on_races_stop),
    ("stop-record-reading", record::reading),
    ("stop-record-at-highest-level", record::at_highest_level),
    ("log-read", log::log_read),
    ("el3-stack-overflow", crash::stack_overflow),
    ("el3-panic", crash::panic),
    ("el3-wild-write", crash::wild_write),
    ("bench", bench::bench),
];

/// Runs one, to the end.
pub fn run(name: &str) -> ! {
    match ALL.iter().find(|&&(known, _)| known == name) {
        Some(&(_, scenario)) => scenario(),
        None => {
            check!(false, "no scenario has the name {name}");
        }
    }
    check::finish()
}
