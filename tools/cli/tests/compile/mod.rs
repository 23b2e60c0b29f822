//! Compiles programs and libraries that are looked at and run.

#![allow(dead_code, reason = "no test needs all of it")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A folder with programs that were compiled for a test.
pub struct Workshop(tempfile::TempDir);

impl Workshop {
    pub fn new() -> Workshop {
        Workshop(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Compiles `sources` to `target`; `more` goes at the end.
    pub fn compile(&self, target: &str, sources: &[&str], more: &[&str]) -> PathBuf {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
        compiler
            .current_dir(self.0.path())
            .arg("-w")
            .arg("-I")
            .arg(here.join("../../include"))
            .args(["-o", target]);
        compiler.args(sources.iter().map(|source| here.join("tests/programs").join(source))).args(more);
        let output = compiler.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        self.path(target)
    }

    pub fn library(&self, more: &[&str]) -> PathBuf {
        let all: Vec<&str> = ["-shared", "-fPIC"].iter().chain(more).copied().collect();
        self.compile("libkinetic.so", &["libkinetic.c"], &all)
    }

    /// A program over the shared libkinetic.
    pub fn program(&self, more: &[&str]) -> PathBuf {
        let all: Vec<&str> = ["-L.", "-lkinetic"].iter().chain(more).copied().collect();
        self.compile("program", &["program.c"], &all)
    }
}
