//! A kernel's coordinator above a firmware's: whoever stops the others has the firmware do it, and they may be anywhere, also
//! in the midst of a stop of their own.
//!
//! The firmware's own arbitration is left out: it stops everyone at one moment. Those that it reaches earlier just do not
//! get to do anything in between.

use crate::life::{Gone, Life};
use crate::nothing;
use crate::scenario::Scenario;
use smp_stop::Kind;

/// Stops everyone else, and then starts them again.
fn stop_and_start_all(me: &Life<3>, kind: Kind) -> Result<(), Gone> {
    me.stop_others(kind)?;
    for other in (0..3).filter(|&other| other != me.index()) {
        assert_eq!(me.start(other), Ok(()));
    }
    Ok(())
}

/// Somebody more urgent takes the kernel's stop over while the first is already stopping it in the firmware.
pub fn two_stops() -> Scenario<3> {
    Scenario::new()
        .above_a_firmware()
        .core(0, |me| stop_and_start_all(me, Kind::Stop))
        .core(1, |me| stop_and_start_all(me, Kind::Crash))
        .core(2, nothing)
}

#[test]
fn a_stop_is_taken_over_and_its_new_survivor_is_stopped_from_below() {
    two_stops().explore(0, |end| assert!(end.is_left_to(&[0, 1, 2])));
}

#[test]
fn a_survivor_is_stopped_from_below_and_somebody_else_asks() {
    let scenario =
        Scenario::<3>::new().above_a_firmware().core(1, |me| me.stop_others(Kind::Crash)).core(0, |me| {
            me.stop_others_from_below();
            stop_and_start_all(me, Kind::Stop)
        });
    scenario.explore(0, |end| assert!(end.is_left_to(&[0, 1, 2]) || end.is_left_to(&[1])));
}

/// Also one that was stopping a single core, which is to be started.
#[test]
fn a_survivor_of_a_single_stop_is_stopped_from_below_and_somebody_else_asks() {
    let scenario =
        Scenario::<3>::new().above_a_firmware().core(1, |me| me.stop_one(2)).core(2, nothing).core(0, |me| {
            me.stop_others_from_below();
            me.stop_one(2)?;
            assert_eq!(me.start(2), Ok(()));
            Ok(())
        });
    scenario.explore(0, |end| assert!(end.is_left_to(&[0, 2])));
}
