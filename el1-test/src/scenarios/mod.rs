//! The scenarios, a family a file. Each reads from top to bottom: what is set up, what happens, what must be seen.

mod bench;
mod boot;
mod input;

use crate::check;

/// Each runs on the boot core with the others off, and returns when there is nothing more to check. A scenario that goes
/// through a reset or a kexec is entered again, and knows by `persist` how far it has come.
const ALL: &[(&str, fn())] =
    &[("boot", boot::boot), ("handover", boot::handover), ("bench", bench::bench), ("bad-input", input::bad_input)];

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
