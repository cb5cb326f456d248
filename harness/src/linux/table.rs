//! The table at the end: a line for each row, a column for each kernel and number of cores.

use crate::linux::{judge::Findings, rows::Row, run::Outcome};

/// What there is to say of a run: cores of the last kernel, `[cores with registers in the dump]`, and `+n` if n cores
/// still ran when the last kernel began.
pub fn cell(findings: &Findings, cores: u32) -> String {
    let online = findings.online.map_or("-".into(), |online| online.to_string());
    let registers = findings.registers.map_or(String::new(), |registers| format!(" [{registers}]"));
    let ran = match &findings.still_ran {
        Some(ran) if !ran.is_empty() => format!(" +{}", ran.len()),
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
    rows: Vec<(&'static str, Vec<Option<String>>)>,
}

impl Table {
    /// Adds a run; of a sweep the worst one stays.
    pub fn add(&mut self, column: &str, row: &'static Row, outcome: &Outcome, cores: u32) {
        self.put(column, row.story, cell(&outcome.findings, cores), !outcome.findings.wrong.is_empty());
    }

    fn put(&mut self, column: &str, story: &'static str, cell: String, failed: bool) {
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
        if failed || cells[at].is_none() {
            cells[at] = Some(cell);
        }
    }

    /// The table as text: it is Markdown, too.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("| scenario | {} |", self.columns.join(" | ")),
            format!("|---|{}", "---|".repeat(self.columns.len())),
        ];
        for (story, cells) in &self.rows {
            let shown = (0..self.columns.len()).map(|at| cells.get(at).cloned().flatten().unwrap_or_default());
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
    }

    #[test]
    fn the_worst_of_a_sweep_stays() {
        let mut table = Table::default();
        table.put("small, 2 cores", "boot", "2/2".into(), false);
        table.put("small, 4 cores", "kdump", "4/4 [4]".into(), false);
        table.put("small, 4 cores", "kdump", "3/4 [4] FAIL".into(), true);
        table.put("small, 4 cores", "kdump", "4/4 [4]".into(), false);
        let lines = table.lines();
        assert_eq!(lines[0], "| scenario | small, 2 cores | small, 4 cores |");
        assert_eq!(lines[1], "|---|---|---|");
        assert_eq!(lines[2..], ["| boot | 2/2 |  |", "| kdump |  | 3/4 [4] FAIL |"]);
    }
}
