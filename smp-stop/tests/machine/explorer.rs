//! The two explorers behind one face: loom goes through every interleaving, shuttle through random ones.

#[cfg(loom)]
pub use loom::{
    sync::atomic::{AtomicBool, fence},
    thread::{JoinHandle, Thread, current, park, spawn, yield_now},
};
#[cfg(shuttle)]
pub use shuttle::{
    sync::atomic::{AtomicBool, fence},
    thread::{JoinHandle, Thread, current, park, spawn, yield_now},
};

/// Memory that two cores must not touch unless one touches it before the other: loom knows. (The lock only says that
/// it may be shared; the explorer does not see it.)
#[cfg(loom)]
pub struct Memory(std::sync::Mutex<loom::cell::UnsafeCell<()>>);

#[cfg(loom)]
impl Memory {
    pub fn new() -> Self {
        Self(std::sync::Mutex::new(loom::cell::UnsafeCell::new(())))
    }

    pub fn touch(&self) {
        self.0.lock().expect("a core has panicked").with_mut(|_| ());
    }
}

/// Memory. Shuttle knows no order but the one in which things happen.
#[cfg(shuttle)]
pub struct Memory;

#[cfg(shuttle)]
impl Memory {
    pub fn new() -> Self {
        Self
    }

    pub fn touch(&self) {}
}

/// Goes through the scenario's interleavings: all of them, or all with at most `preemptions` preemptions.
#[cfg(loom)]
pub fn explore(preemptions: Option<usize>, scenario: impl Fn() + Send + Sync + 'static) {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    let count = Arc::new(AtomicUsize::new(0));
    let began = std::time::Instant::now();
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 10_000;
    builder.preemption_bound = preemptions;
    let counter = Arc::clone(&count);
    builder.check(move || {
        counter.fetch_add(1, Relaxed);
        scenario();
    });
    let extent = preemptions.map_or("exhaustive".to_owned(), |bound| format!("at most {bound} preemptions"));
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    println!("{name}: {} interleavings, {extent}, {:.1} s", count.load(Relaxed), began.elapsed().as_secs_f64());
}
