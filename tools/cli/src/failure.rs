//! What went wrong, and with which exit code the command says so.

use std::{fmt, io, process::ExitCode};

use kinetic_drive::protocol::{Answer, StatusCode};

/// Exit codes, as the help lists them. 0 is success, 2 a wrong command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Code {
    /// Anything else.
    Failed = 1,
    /// The drive has no such key.
    NotFound = 3,
    /// No connection, a lost one, or no answer in time.
    Unreachable = 4,
    /// The drive does not accept the identity or its secret, or is locked.
    Denied = 5,
    /// The value is larger than the drive takes.
    TooLarge = 6,
    /// `doctor`: the driver does not use io_uring here.
    NoUring = 7,
    /// `doctor --program`: the program has to be linked anew.
    Relink = 8,
    /// `doctor --program`: the program has no trace of libkinetic's socket driver.
    NoTrace = 9,
    /// `run`: the program was not started.
    NotStarted = 125,
    /// `run`: the program cannot be executed.
    NotExecutable = 126,
    /// `run`: there is no such program.
    NoProgram = 127,
}

/// The exit codes for the help.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  success
  1  failure, which is told on stderr
  2  wrong command line
  3  the drive has no such key
  4  no connection to the drive, a lost one, or no answer in time
  5  the drive does not accept identity or secret, or is locked
  6  the value is larger than the drive takes
  7  doctor: the driver does not use io_uring here, but plain system calls
  8  doctor --program: preloading does not work, the program has to be linked anew
  9  doctor --program: there is no trace of libkinetic's socket driver";

/// A failure with its exit code.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: Code,
    text: String,
    /// Nobody reads the output any more: nothing to be told.
    pub quiet: bool,
}

/// The result of what can fail.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure with a code of its own.
    pub fn new(code: Code, text: impl Into<String>) -> Failure {
        Failure { code, text: text.into(), quiet: false }
    }

    /// The same failure with another code.
    pub fn with_code(self, code: Code) -> Failure {
        Failure { code, ..self }
    }

    /// Any other failure.
    pub fn other(text: impl Into<String>) -> Failure {
        Failure::new(Code::Failed, text)
    }

    /// A failure with a file.
    pub fn file(name: impl fmt::Display, error: io::Error) -> Failure {
        Failure::other(format!("{name}: {error}"))
    }

    /// The connection failed.
    pub fn connection(what: impl fmt::Display, error: io::Error) -> Failure {
        Failure::new(Code::Unreachable, format!("{what}: {error}"))
    }

    /// Standard output failed.
    pub fn output(error: io::Error) -> Failure {
        let quiet = error.kind() == io::ErrorKind::BrokenPipe;
        Failure { quiet, ..Failure::file("standard output", error) }
    }

    /// The drive refused a request.
    pub fn refused(what: impl fmt::Display, answer: &Answer) -> Failure {
        let code = match answer.status() {
            StatusCode::NotFound => Code::NotFound,
            StatusCode::HmacFailure | StatusCode::NotAuthorized | StatusCode::DeviceLocked => Code::Denied,
            StatusCode::ConnectionTerminated | StatusCode::Shutdown => Code::Unreachable,
            _ => Code::Failed,
        };
        let advice = match answer.status() {
            StatusCode::HmacFailure => " (check --identity and the secret)",
            StatusCode::VersionMismatch => " (the entry has a version: --force ignores it)",
            _ => "",
        };
        let said = match answer.status_message() {
            "" => String::new(),
            text => format!(": {text}"),
        };
        Failure::new(code, format!("{what}: the drive says {:?}{said}{advice}", answer.status()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> ExitCode {
        ExitCode::from(code as u8)
    }
}
