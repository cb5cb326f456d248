//! What a person sees: a line for each thing that has ended, and meanwhile what is going on.
//!
//! On a terminal the last line shows what runs and is overwritten; elsewhere a plain line appears every few seconds.

use std::{
    io::{IsTerminal, Write, stdout},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Well.
    Pass,
    /// Badly.
    Fail,
    /// It was not done, for a reason.
    Skip,
}

/// Without a terminal: the longest time in which nothing is printed.
const PLAIN_PAUSE: Duration = Duration::from_secs(5);
/// On a terminal: the shortest time between two pictures.
const FRAME: Duration = Duration::from_millis(100);

/// The running report.
pub struct Report {
    terminal: bool,
    colour: bool,
    state: Mutex<State>,
}

struct State {
    out: Box<dyn Write + Send>,
    running: Vec<Running>,
    next_id: u64,
    counts: Counts,
    last_output: Instant,
    /// A line is on the terminal that has to be wiped before anything else is printed.
    drawn: bool,
}

struct Running {
    id: u64,
    title: String,
    since: Instant,
    latest: String,
}

/// How many ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Well.
    pub passed: u32,
    /// Badly.
    pub failed: u32,
    /// Not done.
    pub skipped: u32,
}

impl Counts {
    /// The summary.
    pub fn line(self) -> String {
        let Counts { passed, failed, skipped } = self;
        let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
        format!("{passed} passed, {failed} failed{skipped}")
    }

    /// Was something done, and all of it well?
    pub fn success(self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

impl Report {
    /// To standard output.
    pub fn new() -> Report {
        let terminal = stdout().is_terminal();
        Report::to(Box::new(stdout()), terminal, terminal && std::env::var_os("NO_COLOR").is_none())
    }

    fn to(out: Box<dyn Write + Send>, terminal: bool, colour: bool) -> Report {
        let state = State {
            out,
            running: Vec::new(),
            next_id: 0,
            counts: Counts::default(),
            last_output: Instant::now(),
            drawn: false,
        };
        Report { terminal, colour, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something begins.
    pub fn begin(&self, title: &str) -> Task<'_> {
        let mut state = self.state();
        let id = state.next_id;
        state.next_id += 1;
        state.running.push(Running { id, title: title.into(), since: Instant::now(), latest: String::new() });
        self.draw(&mut state);
        Task { report: self, id, since: Instant::now() }
    }

    /// Prints a line.
    pub fn line(&self, text: &str) {
        self.print(&mut self.state(), text);
    }

    /// Prints the summary; was something done, and all of it well?
    pub fn summary(&self) -> bool {
        let counts = self.counts();
        self.line(&counts.line());
        counts.success()
    }

    /// Counts something and prints its line, and below it what there is to say.
    fn end(&self, mark: Mark, text: &str, details: &[String]) {
        let mut state = self.state();
        let (word, colour, count) = match mark {
            Mark::Pass => ("PASS", 32, &mut state.counts.passed),
            Mark::Fail => ("FAIL", 31, &mut state.counts.failed),
            Mark::Skip => ("SKIP", 33, &mut state.counts.skipped),
        };
        *count += 1;
        let word = if self.colour { format!("\x1b[{colour}m{word}\x1b[m") } else { word.into() };
        self.print(&mut state, &format!("{word}  {text}"));
        for line in details {
            self.print(&mut state, &format!("      {line}"));
        }
    }

    /// Something that was not even begun.
    pub fn skip(&self, text: &str) {
        self.end(Mark::Skip, text, &[]);
    }

    /// How many ended how, so far.
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    // Whoever reads may have gone away; the exit status still tells the truth.
    fn print(&self, state: &mut State, text: &str) {
        let wipe = if std::mem::take(&mut state.drawn) { "\r\x1b[2K" } else { "" };
        let _ = writeln!(state.out, "{wipe}{text}");
        let _ = state.out.flush();
        state.last_output = Instant::now();
    }

    fn draw(&self, state: &mut State) {
        let pause = if self.terminal { FRAME } else { PLAIN_PAUSE };
        if state.running.is_empty() || state.last_output.elapsed() < pause {
            return;
        }
        let shown = |task: &Running| {
            let colon = if task.latest.is_empty() { "" } else { ": " };
            format!("{} ({} s){colon}{}", task.title, task.since.elapsed().as_secs(), task.latest)
        };
        let line = state.running.iter().map(shown).collect::<Vec<_>>().join(" | ");
        if self.terminal {
            // A line too long is cut off by the terminal itself.
            let _ = write!(state.out, "\r\x1b[2K\x1b[?7l  ...  {line}\x1b[?7h");
            let _ = state.out.flush();
            state.drawn = true;
            state.last_output = Instant::now();
        } else {
            self.print(state, &format!("  ...  {line}"));
        }
    }
}

/// Something that is being done.
pub struct Task<'a> {
    report: &'a Report,
    id: u64,
    since: Instant,
}

impl Task<'_> {
    /// Shows what it does now; to be called every now and then in any case.
    pub fn update(&self, latest: &str) {
        let mut state = self.report.state();
        if let Some(task) = state.running.iter_mut().find(|task| task.id == self.id)
            && task.latest != latest
        {
            task.latest = latest.into();
        }
        self.report.draw(&mut state);
    }

    /// How long it has taken so far.
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// It has ended.
    pub fn end(self, mark: Mark, text: &str, details: &[String]) {
        let report = self.report;
        drop(self);
        report.end(mark, text, details);
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        self.report.state().running.retain(|task| task.id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_summary_has_its_form() {
        assert_eq!(Counts { passed: 31, failed: 0, skipped: 0 }.line(), "31 passed, 0 failed");
        assert_eq!(Counts { passed: 1, failed: 2, skipped: 3 }.line(), "1 passed, 2 failed, 3 skipped");
    }

    #[test]
    fn success_is_something_passed_and_nothing_failed() {
        assert!(Counts { passed: 1, failed: 0, skipped: 9 }.success());
        assert!(!Counts { passed: 1, failed: 1, skipped: 0 }.success());
        assert!(!Counts { passed: 0, failed: 0, skipped: 1 }.success());
    }

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Paper {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn everything_that_ends_is_told_and_counted() {
        let paper = Paper::default();
        let report = Report::to(Box::new(paper.clone()), false, false);
        report.begin("a").end(Mark::Pass, "a", &[]);
        report.begin("b").end(Mark::Fail, "b", &["why".into()]);
        report.skip("c");
        drop(report.begin("d"));
        assert_eq!(report.counts(), Counts { passed: 1, failed: 1, skipped: 1 });
        assert_eq!(paper.text(), "PASS  a\nFAIL  b\n      why\nSKIP  c\n");
        assert!(report.state().running.is_empty());
    }

    #[test]
    fn on_a_terminal_progress_is_wiped_by_what_follows() {
        let paper = Paper::default();
        let report = Report::to(Box::new(paper.clone()), true, true);
        let task = report.begin("boot");
        std::thread::sleep(2 * FRAME);
        task.update("core 1 starts");
        task.end(Mark::Pass, "boot", &[]);
        let text = paper.text();
        assert!(text.starts_with("\r\x1b[2K\x1b[?7l  ...  boot (0 s): core 1 starts\x1b[?7h"), "{text:?}");
        assert!(text.ends_with("\r\x1b[2K\x1b[32mPASS\x1b[m  boot\n"), "{text:?}");
    }
}
