//! The common SMP stop: one coordinator for every way in which a core can stop the others.
//!
//! # The promise
//!
//! When a stop succeeds, every other core in its scope is `Off`: it has done its last, it stays `Off` until somebody
//! starts it, and it can be started. No interleaving of starting, stopping, panicking, resetting and wedged cores
//! breaks this.
//!
//! # States
//!
//! One atomic word per core ([`word::CoreWord`]): `Off`, `OnPending`, `On` or `Suspended`, a *condemned* mark, the epoch of
//! the stop that condemned the core, or else of the newest that it has lived through, and how often the core was started or
//! woken. One atomic word for the whole machine ([`word::StopWord`]): idle, or who stops whom, how urgently, in which
//! epoch. Everything is decided by compare-and-swap on these words. There is no lock, so a core that dies anywhere cannot
//! block a stop.
//!
//! A core that sleeps until it is started, and is woken by nothing else, is `Off`; one that an interrupt wakes is
//! `Suspended`, and for everybody else as good as `On`.
//!
//! # The rules
//!
//! 1. A request when idle: the asker becomes the survivor, every other core in scope is condemned.
//! 2. Again by the survivor: the same stop goes on; it may become more urgent.
//! 3. By another core, more urgent: it takes over, and the old survivor is condemned. So does any core that asks when the
//!    survivor is `Off`: a stop whose survivor is gone is nobody's. That happens where somebody else turns cores off and
//!    says so here, as the firmware does below a kernel that has a coordinator of its own. Until a core asks, starts are
//!    refused as before.
//! 4. By another core otherwise: it has lost and parks itself ([`Backend::park`]).
//! 5. Admission gate: a starter publishes `OnPending`, then looks at the stop word; a stopper publishes the stop word, then
//!    looks at the cores. A sequentially consistent fence stands between publishing and looking, so at least one sees the
//!    other: the start is undone, or the core is condemned. A started core drops what was sent to it while it was off, then
//!    looks whether it is being stopped: cores are marked first and called then, so it sees the one or gets the other.
//! 6. `Off` is published last: after it a core touches nothing, and can be started.
//! 7. A stop is complete when every core in scope is `Off`. On a timeout the stragglers stay condemned, and turn
//!    themselves off the next time they ask [`Coordinator::is_condemned`], suspend or resume. They can neither start a core
//!    nor ask for a stop, however urgent.
//! 8. Every wait here also watches whether the waiter itself has lost, and then gives way. Stopping one core goes
//!    through the same word as stopping all; stopping all goes first.
//! 9. After completion the word is idle again, and the survivor may start everyone.
//! 10. A core belongs to the [`Owner`] that started it. One that is still in use when another owner wants to start it has
//!     been left behind: it is stopped and started ([`Coordinator::take_back`]). The asker publishes the stop, then looks
//!     at the owner; a starter publishes the owner, then looks at the stop: so nobody's new core is taken for an old one.
//!     Numbers of owners come again: one who has just come, on one core, disowns what is noted as his ([`Coordinator::disown`]).
//! 11. A `Suspended` core is stopped as if it were `On`. It looks at its mark as it suspends and as it resumes, and is woken
//!     by whatever is sent to it in between: marks come first and calls then, so it sees the one or gets the other. Whether
//!     all of a group rest at one moment is only known to one of them that publishes `Suspended`, then looks at the others,
//!     and then looks again whether one has left its rest ([`Coordinator::suspend_last`], [`Coordinator::all_rest`]).
//! 12. A start that its core does not come for can be given up, by claiming the core once more
//!     ([`Coordinator::start_again`]). The core arrives with its claim: one that comes late has another than its word, changes
//!     nothing, and looks for the new message. Who gives a start up has seen its message complete.
//!
//! # Why marks carry an epoch
//!
//! A core that lost against a more urgent stop may still be going through the cores, condemning them. Its marks must
//! not hit the new survivor, nor a core that the new survivor has started since: a mark only takes hold on a core whose
//! epoch is older than the mark's. And a straggler of an earlier stop must be told from a core that the stop in
//! progress has condemned: the one is out of the running, the other may still take over (rule 3).
//!
//! # Orderings
//!
//! Words are read with acquire and changed with release, so whoever sees a core `Off` sees all that it did before. The
//! gates of rule 5 need more, and have a fence; so have the looks of rule 11, and whoever leaves his rest. Where both the stop word and a mark are looked at, the stop word comes
//! first: it becomes idle only after every mark was made.
//!
//! # Using it
//!
//! A backend says how to reach cores and how to park ([`Backend`]); [`Coordinator::stop`] does the rest. A core's own
//! transitions are [`Coordinator::start`] (by the starter), [`Coordinator::arrive`] (by the started),
//! [`Coordinator::suspend`], [`Coordinator::resume`] and [`Coordinator::off`]; docs/stop.md says in which order messages are
//! left and taken.
#![cfg_attr(not(loom), no_std)]
#![forbid(unsafe_code)]

mod coordinator;
mod stop;
mod take_back;
pub mod word;

#[cfg(feature = "negative-controls")]
pub use coordinator::Gate;
pub use coordinator::{Admission, Coordinator, Lost, Refusal, StartError, Ticket, Wait};
pub use stop::{Backend, Failure, Patience, Stopped, Stragglers, Targets};
pub use take_back::Untaken;
pub use word::{Claim, Core, Epoch, Kind, Owner, Scope, State};

/// The atomic type of both words, and the fence between publishing one and looking at the other: the explorer's where
/// interleavings are explored.
#[cfg(loom)]
use interleave::{AtomicU64, fence};

#[cfg(not(loom))]
use core::sync::atomic::{AtomicU64, fence};
