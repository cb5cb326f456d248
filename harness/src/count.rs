//! Counts the lines of the sources: code, tests, assembly, and unsafe blocks.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// What a crate consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Lines of Rust that are neither blank nor comment nor test.
    pub code: usize,
    /// The same in tests.
    pub tests: usize,
    /// Lines of assembly.
    pub assembly: usize,
    /// Unsafe blocks, outside tests.
    pub unsafe_blocks: usize,
}

/// Counts everything in a crate's folder.
pub fn of_crate(folder: &Path) -> Result<Lines> {
    let mut lines = Lines::default();
    for (part, tests) in [("src", false), ("tests", true)] {
        let part = folder.join(part);
        if part.exists() {
            of_folder(&part, tests, &mut lines)?;
        }
    }
    Ok(lines)
}

fn of_folder(folder: &Path, tests: bool, lines: &mut Lines) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            of_folder(&path, tests || name == "tests", lines)?;
        } else if name.ends_with(".rs") {
            rust(&fs::read_to_string(&path)?, tests || name == "tests.rs" || name.ends_with("_tests.rs"), lines);
        } else if name.ends_with(".S") {
            lines.assembly += without_comments(&fs::read_to_string(&path)?).count();
        }
    }
    Ok(())
}

/// The lines that are neither blank nor comment.
fn without_comments(source: &str) -> impl Iterator<Item = &str> {
    let mut in_comment = false;
    source.lines().map(str::trim).filter(move |line| {
        if in_comment {
            in_comment = !line.contains("*/");
            return false;
        }
        in_comment = line.starts_with("/*") && !line.contains("*/");
        !line.is_empty() && !line.starts_with("//") && !line.starts_with("/*")
    })
}

/// Tests stand at the end of a file, as everywhere in this project.
fn rust(source: &str, tests: bool, lines: &mut Lines) {
    let mut in_tests = tests;
    let mut rest = without_comments(source).peekable();
    while let Some(line) = rest.next() {
        let is_for_tests = line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test");
        // Not `mod tests;`, which is a file of its own.
        in_tests |= is_for_tests && rest.peek().is_some_and(|next| next.ends_with('{'));
        if in_tests {
            lines.tests += 1;
        } else {
            lines.code += 1;
            // Not the one in quotes.
            lines.unsafe_blocks += line.matches("unsafe {").count() - line.matches("\"unsafe {").count();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts() {
        let mut lines = Lines::default();
        let source = "//! A module.\n\n/// A function.\nfn a() {\n    // SAFETY: it is.\n    unsafe { b() }\n}\n\
            /* more\n   of it */\n#[cfg(test)]\nmod tests {\n    // no\n    fn c() { unsafe { b() } }\n}\n";
        rust(source, false, &mut lines);
        assert_eq!(lines, Lines { code: 3, tests: 4, assembly: 0, unsafe_blocks: 1 });
    }

    #[test]
    fn what_comes_after_a_file_of_tests_is_code() {
        let mut lines = Lines::default();
        rust("#[cfg(all(test, not(loom)))]\nmod tests;\nfn a() {}\n", false, &mut lines);
        assert_eq!((lines.code, lines.tests), (3, 0));
    }

    #[test]
    fn assembly() {
        assert_eq!(without_comments("/* x */\n// y\nstart:\n  mov x0, x1 // z\n\n").count(), 2);
    }

    #[test]
    fn this_crate() {
        let lines = of_crate(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(lines.code > 500 && lines.tests > 100, "{lines:?}");
        assert_eq!(lines.unsafe_blocks, 0);
    }
}
