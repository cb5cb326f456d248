//! The directory of one run: sockets, descriptor, consoles. Gone at the end, unless somebody wants to look at it.

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context, Result};

/// The file that says why a run failed.
pub const VERDICT: &str = "verdict";

const PREFIX: &str = "standstill-";

/// A directory of its own, readable by its owner only.
pub struct RunDir {
    path: PathBuf,
    keep: bool,
}

impl RunDir {
    /// Makes one in the system's directory for such.
    pub fn new() -> Result<RunDir> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        static SWEPT: Once = Once::new();
        SWEPT.call_once(|| sweep(&std::env::temp_dir()));
        loop {
            // Short: a socket's name has to fit into 108 bytes.
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("{PREFIX}{}-{number}", std::process::id()));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(RunDir { path, keep: false }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| format!("cannot make {}", path.display())),
            }
        }
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> Result<()> {
        let file = self.file(name);
        fs::write(&file, contents).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Leaves it there, without its sockets, and says where it is.
    pub fn keep(&mut self) -> &Path {
        self.keep = true;
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "sock") {
                let _ = fs::remove_file(entry.path());
            }
        }
        &self.path
    }
}

/// Removes what runs have left behind that were interrupted; what was kept on purpose has a verdict in it.
fn sweep(folder: &Path) {
    if !Path::new("/proc/self").exists() {
        return; // no way to know who is alive
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-')).map(|(pid, _)| pid);
        let alive = |pid: &str| Path::new("/proc").join(pid).exists();
        if pid.is_some_and(|pid| pid.parse::<u32>().is_ok() && !alive(pid)) && !entry.path().join(VERDICT).exists()
        {
            // Somebody else's, if it cannot be removed.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed does no harm where it is.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gone_unless_kept() {
        let dir = RunDir::new().unwrap();
        let file = dir.file("x");
        dir.write("x", "y").unwrap();
        assert!(file.exists());
        drop(dir);
        assert!(!file.exists());

        let mut dir = RunDir::new().unwrap();
        dir.write("x", "y").unwrap();
        dir.write("y.sock", "").unwrap();
        let path = dir.keep().to_owned();
        drop(dir);
        assert!(path.join("x").exists() && !path.join("y.sock").exists());
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn what_dead_runs_left_is_swept_away() {
        let dir = RunDir::new().unwrap();
        let make = |name: &str| {
            let path = dir.file(name);
            fs::create_dir(&path).unwrap();
            path
        };
        // No process has so high a number.
        let dead = make("standstill-4294967295-0");
        let kept = make("standstill-4294967295-1");
        let alive = make(&format!("standstill-{}-0", std::process::id()));
        let other = make("standstill-out-0");
        fs::write(kept.join(VERDICT), "").unwrap();
        sweep(&dir.path);
        assert_eq!([&dead, &kept, &alive, &other].map(|path| path.exists()), [false, true, true, true]);
    }
}
