//! Programs of this project that the command becomes.

use std::{convert::Infallible, env, ffi::OsString, io, os::unix::process::CommandExt, process::Command};

use clap::Args;

use crate::failure::{Failure, Result};

/// What is passed on as it is.
#[derive(Args)]
pub struct Passed {
    /// Options and arguments of that program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

impl Passed {
    /// Becomes `program`, which is beside this one or in the path.
    pub fn run(&self, program: &str, json: bool) -> Result<()> {
        let beside = env::current_exe().ok().map(|path| path.with_file_name(program));
        let path = beside.filter(|path| path.is_file()).unwrap_or_else(|| program.into());
        let mut command = Command::new(path);
        command.args(&self.arguments);
        if json {
            command.arg("--json");
        }
        become_it(&mut command).map(|never| match never {})
    }
}

/// Replaces this process by `command`; returns only if that fails.
pub fn become_it(command: &mut Command) -> Result<Infallible> {
    let error = command.exec();
    let program = command.get_program().to_string_lossy().into_owned();
    if error.kind() == io::ErrorKind::NotFound {
        return Err(Failure::file(
            format!("{program} is neither beside this command nor in the path"),
            error,
        ));
    }
    Err(Failure::file(program, error))
}
