//! Every interleaving of the operations that meet in a stop.
//!
//! What the machine does, and when the promise counts as broken, is in `machine`. Each scenario says which cores run at
//! the beginning, and what they do; when they have done it they run on, as a kernel does, until a stop call reaches them.
#![cfg(loom)]
#![allow(missing_docs)]

mod above;
#[cfg(feature = "negative-controls")]
mod controls;
mod explorer;
mod last;
mod ledger;
mod life;
mod lost;
mod machine;
mod mailbox;
mod ownership;
mod rest;
mod scenario;
mod several;
mod sleep;
mod start;
mod stop;
mod stopper;
mod walk;

use life::{Gone, Life};

/// Nothing: the core runs.
fn nothing<const N: usize>(_: &Life<N>) -> Result<(), Gone> {
    Ok(())
}

/// Starts core `T`, if it can.
fn starts<const T: usize, const N: usize>(me: &Life<N>) -> Result<(), Gone> {
    let _ = me.start(T);
    Ok(())
}
