//! `doctor`: what the driver will do on this machine, and what stands in its way.

mod buffers;
mod machine;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anstyle::{AnsiColor, Style};
use clap::Args;
use serde::Serialize;

use crate::{
    failure::{Code, Failure, Result},
    output::Output,
    program::{self, Finding, Way},
};

/// Arguments of `doctor`.
#[derive(Args)]
pub struct Doctor {
    /// Look at this program instead of the machine: can the driver be preloaded into it?
    #[arg(short, long, value_name = "PROGRAM")]
    program: Option<PathBuf>,
    /// A library that the program loads by itself, as fio does with engines
    #[arg(long, value_name = "FILE", requires = "program")]
    plugin: Vec<PathBuf>,
}

/// How good something is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// It could be better.
    Warning,
    /// It stands in the way.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Check {
    /// What.
    name: &'static str,
    verdict: Verdict,
    /// What was found.
    found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Check {
    fn new(name: &'static str, verdict: Verdict, found: impl Into<String>) -> Check {
        Check { name, verdict, found: found.into(), advice: None }
    }

    fn advise(self, advice: impl Into<String>) -> Check {
        Check { advice: Some(advice.into()), ..self }
    }
}

/// Files of the kernel, below a root that tests choose.
#[derive(Clone, Copy)]
pub struct Proc<'r>(&'r Path);

impl Proc<'_> {
    /// A file's text without its last line end.
    fn text(self, path: &str) -> Option<String> {
        fs::read_to_string(self.0.join(path)).ok().map(|text| text.trim_end().to_owned())
    }

    /// The numbers in a file.
    fn numbers(self, path: &str) -> Vec<u64> {
        let text = self.text(path).unwrap_or_default();
        text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    }
}

#[derive(Serialize)]
struct Report {
    /// The driver uses io_uring.
    io_uring: bool,
    /// What the driver will do.
    driver: String,
    /// The features of the kernel's io_uring that the driver uses.
    features: Vec<Feature>,
    checks: Vec<Check>,
}

/// A feature of the kernel's io_uring.
#[derive(Serialize)]
pub struct Feature {
    name: &'static str,
    /// The first Linux that has it.
    since: &'static str,
    /// It is there, and not switched off.
    usable: bool,
}

impl Doctor {
    /// Runs the subcommand. Gives the exit code if that is not 0.
    pub fn run(&self, output: Output) -> Result<Option<Code>> {
        match &self.program {
            Some(program) => self.examine(program, output),
            None => diagnose(output),
        }
    }

    fn examine(&self, program: &Path, output: Output) -> Result<Option<Code>> {
        let finding = program::examine(program, &self.plugin)?;
        output.show_coloured(&finding, |out| show_finding(out, &finding))?;
        Ok(match finding.way {
            Way::Preload | Way::Already => None,
            Way::Relink => Some(Code::Relink),
            Way::NoTrace => Some(Code::NoTrace),
        })
    }
}

fn diagnose(output: Output) -> Result<Option<Code>> {
    let config = ktli_client::driver::config()
        .map_err(|error| Failure::other(format!("the driver's options: {error}")))?;
    let driver = ktli_uring::describe();
    let io_uring = driver.starts_with("io_uring");
    let proc = Proc(Path::new("/proc"));
    let features: Vec<Feature> = ktli_uring::kernel_features()
        .into_iter()
        .map(|known| Feature { name: known.name, since: known.since, usable: known.usable })
        .collect();
    let mut checks = machine::checks(proc, &driver, io_uring, &features);
    checks.push(machine::kernel_tls(ktli_uring::kernel_tls()));
    checks.extend(buffers::checks(proc, config.send_buffer.into(), config.receive_buffer.into()));
    let report = Report { io_uring, driver, features, checks };
    output.show_coloured(&report, |out| {
        report.checks.iter().try_for_each(|check| show(out, check))?;
        writeln!(out, "\nNew connections will use {}.", report.driver.trim_end_matches('.'))
    })?;
    Ok((!io_uring).then_some(Code::NoUring))
}

fn painted(verdict: Verdict) -> (&'static str, Style) {
    let (word, colour) = match verdict {
        Verdict::Good => ("good", AnsiColor::Green),
        Verdict::Note => ("note", AnsiColor::Cyan),
        Verdict::Warning => ("warn", AnsiColor::Yellow),
        Verdict::Bad => ("bad", AnsiColor::Red),
    };
    (word, colour.on_default().bold())
}

fn show(out: &mut dyn Write, check: &Check) -> io::Result<()> {
    let (word, style) = painted(check.verdict);
    writeln!(out, "{style}{word:<5}{style:#} {:<20} {}", check.name, check.found)?;
    check.advice.iter().try_for_each(|advice| writeln!(out, "{:27}{advice}", ""))
}

fn show_finding(out: &mut dyn Write, finding: &Finding) -> io::Result<()> {
    let program = finding.program.display();
    let (verdict, text) = match finding.way {
        Way::Preload => (Verdict::Good, format!("{program}: preloading works: ktli-uring run -- {program}")),
        Way::Already => (Verdict::Good, format!("{program}: runs on ktli-uring already")),
        Way::Relink => (Verdict::Bad, format!("{program}: preloading does not work")),
        Way::NoTrace => (Verdict::Warning, format!("{program}: no trace of libkinetic's socket driver")),
    };
    let (word, style) = painted(verdict);
    writeln!(out, "{style}{word:<5}{style:#} {text}")?;
    finding.because.iter().try_for_each(|because| writeln!(out, "      {because}"))?;
    if finding.way == Way::Relink {
        writeln!(
            out,
            "      link it anew, with these flags before the other libraries:\n      {}",
            program::FLAGS
        )?;
    }
    if !finding.missing.is_empty() {
        writeln!(out, "      libraries that are not there: {}", finding.missing.join(", "))?;
    }
    Ok(())
}
