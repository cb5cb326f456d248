//! The table at the end: a line for each row, a column for each kernel and number of cores.

use crate::linux::{
    judge::Findings,
    rows::{End, Row},
    run::Outcome,
};

/// What there is to say of a run: cores of the last kernel, `[cores with registers in the dump]`, and `+n` if n cores
/// still ran when the last kernel began, `+?` if nobody saw that in time.
pub fn cell(findings: &Findings, cores: u32) -> String {
    let online = findings.online.map_or("-".into(), |online| online.to_string());
    let registers = findings.registers.map_or(String::new(), |registers| format!(" [{registers}]"));
    let ran = match &findings.still_ran {
        Some(ran) if !ran.is_empty() => format!(" +{}", ran.len()),
        _ if findings.unseen => " +?".into(),
        _ => String::new(),
    };
    let failed = if findings.wrong.is_empty() { "" } else { " FAIL" };
    format!("{online}/{cores}{registers}{ran}{failed}")
}

/// The table in the making.
#[derive(Default)]
pub struct Table {
    columns: Vec<String>,
    /// A row's story, and its cell in each column.
    rows: Vec<(&'static str, Vec<Option<Cell>>)>,
}

/// What all runs of a row have come to.
#[derive(Clone, Default)]
struct Cell {
    text: String,
    /// How the runs of a race between a crash and a reset ended.
    ends: Option<Ends>,
}

#[derive(Clone, Default)]
struct Ends {
    captures: u32,
    resets: u32,
}

impl Table {
    /// Adds a run; of a sweep the first that failed stays, else the first that says most, with how many there were of each end.
    pub fn add(&mut self, column: &str, row: &'static Row, outcome: &Outcome, cores: u32) {
        let findings = &outcome.findings;
        let cell = self.cell(column, row.story);
        let text = self::cell(findings, cores);
        let says_most = findings.registers.is_some() && !cell.text.contains('[');
        if cell.text.is_empty() || !cell.text.contains("FAIL") && (text.contains("FAIL") || says_most) {
            cell.text = text;
        }
        if row.end == End::ResetOrCapture {
            let ends = cell.ends.get_or_insert_default();
            *(if findings.captured { &mut ends.captures } else { &mut ends.resets }) += 1;
        }
    }

    fn cell(&mut self, column: &str, story: &'static str) -> &mut Cell {
        let at = self.columns.iter().position(|known| known == column).unwrap_or_else(|| {
            self.columns.push(column.into());
            self.columns.len() - 1
        });
        let row = self.rows.iter().position(|(known, _)| *known == story).unwrap_or_else(|| {
            self.rows.push((story, Vec::new()));
            self.rows.len() - 1
        });
        let cells = &mut self.rows[row].1;
        cells.resize(cells.len().max(at + 1), None);
        cells[at].get_or_insert_default()
    }

    /// The table as text: it is Markdown, too.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("| scenario | {} |", self.columns.join(" | ")),
            format!("|---|{}", "---|".repeat(self.columns.len())),
        ];
        for (story, cells) in &self.rows {
            let shown = (0..self.columns.len()).map(|at| {
                let Cell { text, ends } = cells.get(at).cloned().flatten().unwrap_or_default();
                let ends =
                    ends.map_or(String::new(), |ends| format!(": {} kdump, {} reset", ends.captures, ends.resets));
                text + &ends
            });
            lines.push(format!("| {story} | {} |", shown.collect::<Vec<_>>().join(" | ")));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells() {
        let mut findings = Findings { online: Some(3), registers: Some(4), ..Findings::default() };
        assert_eq!(cell(&findings, 4), "3/4 [4]");
        findings.still_ran = Some(vec![1]);
        findings.wrong.push("core 1 is lost".into());
        assert_eq!(cell(&findings, 4), "3/4 [4] +1 FAIL");
        assert_eq!(cell(&Findings::default(), 2), "-/2");
        assert_eq!(cell(&Findings { unseen: true, ..Findings::default() }, 2), "-/2 +?");
    }

    #[test]
    fn a_sweep_has_one_cell() {
        let outcome = |registers, captured, wrong: &[&str]| {
            let wrong = wrong.iter().map(|&wrong| wrong.into()).collect();
            let findings = Findings { online: Some(4), registers, captured, wrong, ..Findings::default() };
            Outcome { findings, ..Outcome::default() }
        };
        let [boot, sweep] = ["boot", "sweep-against-sysrq-b"].map(|name| Row::named(name).unwrap());
        let mut table = Table::default();
        table.add("small, 2 cores", boot, &outcome(None, false, &[]), 4);
        for (registers, captured) in [(None, false), (Some(4), true), (Some(4), true)] {
            table.add("small, 4 cores", sweep, &outcome(registers, captured, &[]), 4);
        }
        let lines = table.lines();
        assert_eq!(lines[0], "| scenario | small, 2 cores | small, 4 cores |");
        assert_eq!(lines[1], "|---|---|---|");
        assert_eq!(lines[2], format!("| {} | 4/4 |  |", boot.story));
        assert_eq!(lines[3], format!("| {} |  | 4/4 [4]: 2 kdump, 1 reset |", sweep.story));
        table.add("small, 4 cores", sweep, &outcome(None, false, &["core 1 is lost"]), 4);
        table.add("small, 4 cores", sweep, &outcome(Some(4), true, &[]), 4);
        assert!(table.lines()[3].ends_with("| 4/4 FAIL: 3 kdump, 2 reset |"));
    }
}
