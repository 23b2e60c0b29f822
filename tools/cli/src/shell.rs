//! `completions` and `man`: what is generated from the command line's own description.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, Command};
use clap_complete::Shell;

use crate::failure::{Failure, Result};

/// Arguments of `completions`.
#[derive(Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Runs the subcommand.
    pub fn run(&self, mut command: Command) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "ktli-uring", &mut script);
        write(&script)
    }
}

/// Arguments of `man`.
#[derive(Args)]
pub struct Man {
    /// The folder, which is there, for ktli-uring.1 and a page for each subcommand
    folder: Option<PathBuf>,
}

impl Man {
    /// Runs the subcommand.
    pub fn run(&self, command: Command) -> Result<()> {
        // `help` would get a page for each of the others.
        let command = command.disable_help_subcommand(true);
        let Some(folder) = &self.folder else {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page).map_err(Failure::output)?;
            return write(&page);
        };
        clap_mangen::generate_to(command, folder).map_err(|error| Failure::file(folder.display(), error))
    }
}

fn write(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(Failure::output)
}
