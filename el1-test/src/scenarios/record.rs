//! The stop record: where a core was when it was stopped by force.

/// Every register of a wedged core is in its record, as it was.
pub fn stop_record() {
    check!(false, "not written yet");
}
