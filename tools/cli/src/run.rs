//! `run`: starts a program with the driver in the place of libkinetic's socket driver.

use std::{
    convert::Infallible,
    env,
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Args;

use crate::{
    failure::{Code, Failure, Result},
    program::{self, Way},
};

const LIBRARY: &str = "libktli_uring_preload.so";

/// What `run` ends with.
pub const EXIT_CODES: &str = "\
Exit codes: those of the program, and
  125  it was not started, for a reason that is told on stderr
  126  the program cannot be executed
  127  there is no such program";

/// Arguments of `run`.
#[derive(Args)]
pub struct Run {
    /// The preload library; without it, it is looked for beside this command and in ../lib
    #[arg(long, value_name = "FILE", env = "KTLI_URING_PRELOAD", hide_env_values = true)]
    preload: Option<PathBuf>,
    /// When a connection ends, print what it has done to stderr
    #[arg(long)]
    stats: bool,
    /// Write each call of the driver's functions to this file, for `ktli-uring trace`
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

/// The driver's options, each a variable of the same name.
#[derive(Args)]
#[command(next_help_heading = "Options of the driver, of which ktli-uring(7) tells more")]
struct Options {
    /// io_uring, plain system calls, or whichever can be had
    #[arg(long, value_parser = ["auto", "uring", "socket"], value_name = "WORD")]
    backend: Option<String>,
    /// What to log to stderr
    #[arg(long, value_parser = ["off", "error", "warn", "info", "debug", "trace"], value_name = "LEVEL")]
    log: Option<String>,
    /// Send buffer to ask of the kernel, 1 to 16 MiB
    #[arg(long, value_name = "BYTES")]
    sndbuf: Option<u64>,
    /// Receive buffer to ask of the kernel, 1 to 16 MiB
    #[arg(long, value_name = "BYTES")]
    rcvbuf: Option<u64>,
    /// How long connecting may take
    #[arg(long, value_name = "MILLISECONDS")]
    connect_timeout: Option<u64>,
    /// How long a send may take
    #[arg(long, value_name = "MILLISECONDS")]
    send_timeout: Option<u64>,
    /// How long disconnecting waits for the drive
    #[arg(long, value_name = "MILLISECONDS")]
    linger: Option<u64>,
    /// Look for Kinetic messages, or for any bytes
    #[arg(long, value_parser = ["kinetic", "none"], value_name = "WORD")]
    framing: Option<String>,
    /// What poll does on a dead connection
    #[arg(long, value_parser = ["wait", "report"], value_name = "WORD")]
    hangup: Option<String>,
    /// How long a receiver looks for more before it sleeps, instead of where it pays
    #[arg(long, value_name = "MICROSECONDS")]
    spin: Option<u64>,
    /// A kernel thread does the submitting
    #[arg(long)]
    sqpoll: bool,
    /// After which time without work that thread sleeps
    #[arg(long, value_name = "MILLISECONDS")]
    sqpoll_idle: Option<u64>,
    /// The CPU to which it is bound
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    sqpoll_cpu: Option<i64>,
    /// Features of the kernel's io_uring that are not to be used, each with a minus: -defer_taskrun,-sendmsg_zc
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    features: Option<String>,
    /// How messages are sent; all but auto are for measuring
    #[arg(long, value_parser = ["auto", "loop", "whole", "chunked"], value_name = "WORD")]
    send: Option<String>,
    /// From how many bytes on messages are sent without a copy; 0: none
    #[arg(long, value_name = "BYTES")]
    zc: Option<u64>,
}

impl Options {
    fn variables(&self) -> Vec<(&'static str, String)> {
        let number = |number: &Option<u64>| number.as_ref().map(u64::to_string);
        [
            ("KTLI_URING_BACKEND", self.backend.clone()),
            ("KTLI_URING_LOG", self.log.clone()),
            ("KTLI_URING_SNDBUF", number(&self.sndbuf)),
            ("KTLI_URING_RCVBUF", number(&self.rcvbuf)),
            ("KTLI_URING_CONNECT_TIMEOUT", number(&self.connect_timeout)),
            ("KTLI_URING_SEND_TIMEOUT", number(&self.send_timeout)),
            ("KTLI_URING_LINGER", number(&self.linger)),
            ("KTLI_URING_FRAMING", self.framing.clone()),
            ("KTLI_URING_HANGUP", self.hangup.clone()),
            ("KTLI_URING_SPIN", number(&self.spin)),
            ("KTLI_URING_SQPOLL", self.sqpoll.then(|| "1".into())),
            ("KTLI_URING_SQPOLL_IDLE", number(&self.sqpoll_idle)),
            ("KTLI_URING_SQPOLL_CPU", self.sqpoll_cpu.as_ref().map(i64::to_string)),
            ("KTLI_URING_FEATURES", self.features.clone()),
            ("KTLI_URING_SEND", self.send.clone()),
            ("KTLI_URING_ZC", number(&self.zc)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

impl Run {
    /// Becomes the program; returns only if that fails.
    pub fn run(&self) -> Result<Infallible> {
        let mut command = self.command().map_err(|failure| failure.with_code(Code::NotStarted))?;
        let error = command.exec();
        let code =
            if error.kind() == io::ErrorKind::NotFound { Code::NoProgram } else { Code::NotExecutable };
        Err(Failure::new(code, format!("{}: {error}", Path::new(&self.program[0]).display())))
    }

    fn command(&self) -> Result<Command> {
        let program = Path::new(&self.program[0]);
        // What cannot be looked at is the kernel's matter, and scripts start whatever they like.
        if let Ok(finding) = program::examine(program, &[])
            && finding.way == Way::Relink
        {
            return Err(Failure::other(format!(
                "{}: preloading does not work: {} (ktli-uring doctor --program tells what to do)",
                program.display(),
                finding.because.join("; ")
            )));
        }
        let mut command = Command::new(program);
        command.args(&self.program[1..]).envs(self.options.variables());
        // A program that is on the driver already needs no second one, and is not hurt by it either.
        command.env("LD_PRELOAD", preloads(&self.library()?, env::var_os("LD_PRELOAD")));
        if self.stats {
            command.env("KTLI_URING_STATS", "1");
        }
        if let Some(trace) = &self.trace {
            // Empty, and there even if the program opens no session. The program may change its directory.
            let created = File::create(trace).and_then(|_| fs::canonicalize(trace));
            command.env("KTLI_URING_TRACE", created.map_err(|error| Failure::file(trace.display(), error))?);
        }
        Ok(command)
    }

    /// Where the preload library is.
    fn library(&self) -> Result<PathBuf> {
        if let Some(library) = &self.preload {
            // The loader would only say so, and go on without it.
            let found = fs::canonicalize(library).map_err(|error| Failure::file(library.display(), error))?;
            return Ok(found);
        }
        let command = env::current_exe().map_err(|error| Failure::file("this command", error))?;
        let beside = command.parent().unwrap_or(Path::new("/"));
        let lib = beside.join("../lib");
        let mut folders = vec![beside.to_owned(), lib.clone(), beside.join("../lib64")];
        // Debian's folders have the architecture in their names.
        let architecture = env::consts::ARCH.to_owned() + "-linux-gnu";
        folders.push(lib.join(architecture));
        let found =
            folders.iter().map(|folder| folder.join(LIBRARY)).find_map(|path| fs::canonicalize(path).ok());
        found.ok_or_else(|| {
            let folders: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
            Failure::other(format!("{LIBRARY} is in none of {}: name it with --preload", folders.join(", ")))
        })
    }
}

/// The library first: what is preloaded besides stays.
fn preloads(library: &Path, others: Option<OsString>) -> OsString {
    let mut value = library.as_os_str().to_owned();
    if let Some(others) = others.filter(|others| !others.is_empty()) {
        value.push(":");
        value.push(others);
    }
    value
}
