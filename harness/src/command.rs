//! Runs a command of the project, its output kept until somebody has to see it.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{console::clean, report::Task};

/// What a failed command printed is shown up to so many lines, the last ones.
const SHOWN: usize = 200;

/// Runs a command to its end, or at most so long. Fails with its output.
pub fn run(command: Command, limit: Duration, task: &Task) -> std::result::Result<(), Vec<String>> {
    let shown = format!("$ {}", typed(&command));
    let mut output = Vec::new();
    follow(command, limit, task, &mut output).map_err(|error| {
        output.retain(|line| !is_progress(line));
        let last = output.drain(output.len().saturating_sub(SHOWN)..);
        [shown].into_iter().chain(last).chain([format!("{error:#}")]).collect()
    })
}

fn follow(mut command: Command, limit: Duration, task: &Task, output: &mut Vec<String>) -> Result<()> {
    let (reader, writer) = std::io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().context("cannot start it")?;
    drop(command); // and with it our copies of the pipe's other end
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
            if sender.send(clean(&line)).is_err() {
                break;
            }
        }
    });
    let start = Instant::now();
    loop {
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok(line) => output.push(line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        task.update(output.last().map_or("", |line| line.trim()));
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            bail!("no end after {} s", limit.as_secs());
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "{status}");
    Ok(())
}

/// Does cargo only say how far it is?
fn is_progress(line: &str) -> bool {
    let word = line.split_whitespace().next().unwrap_or_default();
    line.starts_with("  ")
        && matches!(word, "Compiling" | "Checking" | "Documenting" | "Downloaded" | "Downloading")
}

/// A command as one would type it.
fn typed(command: &Command) -> String {
    let mut words: Vec<String> = Vec::new();
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}='{}'", key.display(), value.display()));
        }
    }
    words.push(command.get_program().display().to_string());
    words.extend(command.get_args().map(|arg| arg.display().to_string()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;

    fn shell(script: &str, limit: u64) -> std::result::Result<(), Vec<String>> {
        let report = Report::new();
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("GREETING", "hello");
        run(command, Duration::from_secs(limit), &report.begin("shell"))
    }

    #[test]
    fn success() {
        assert_eq!(shell("echo all is well", 60), Ok(()));
    }

    #[test]
    fn a_failure_shows_command_and_both_outputs() {
        let output = shell("echo $GREETING; echo oh >&2; exit 3", 60).unwrap_err();
        assert_eq!(output[0], "$ GREETING='hello' sh -c echo $GREETING; echo oh >&2; exit 3");
        assert_eq!(output[1..3], ["hello", "oh"]);
        assert!(output[3].contains('3'));
    }

    #[test]
    fn of_a_failure_how_far_it_was_is_left_out() {
        let script = "echo '   Compiling syn v2.0.119'; echo 'error: no'; echo '    Checking a v1'; false";
        assert_eq!(shell(script, 60).unwrap_err()[1], "error: no");
        assert_eq!(shell(script, 60).unwrap_err().len(), 3);
    }

    #[test]
    fn nothing_waits_for_ever() {
        let output = shell("echo start; exec sleep 1000", 1).unwrap_err();
        assert_eq!(output[1..], ["start", "no end after 1 s"]);
    }

    #[test]
    fn no_such_program() {
        let report = Report::new();
        let command = Command::new("no-such-program-anywhere");
        assert_eq!(run(command, Duration::from_secs(1), &report.begin("x")).unwrap_err().len(), 2);
    }
}
