//! A place for what a test keeps on the disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that does not exist yet, or a file: gone when dropped.
pub struct TempDir(pub PathBuf);

impl TempDir {
    /// `name` tells it from those of other tests.
    pub fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    /// An empty directory whose path is short: that of a socket may have 107 bytes.
    pub fn for_sockets() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("kinetic-drive-{}-{count}", process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
