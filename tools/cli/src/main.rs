//! The `ktli-uring` command: everyday checks of Kinetic drives, for a user who has no libkinetic at hand, and of this
//! driver on a machine.
//!
//! Each subcommand is a module ([`shell`] has two, [`beside`] those that become another program); [`doctor`] looks at
//! the machine and [`program`] at a program, [`client`] talks to a drive through the driver's own C interface, [`split`] keeps
//! values that are larger than a drive takes, [`failure`] has the exit codes.

#![forbid(unsafe_code)]

mod beside;
mod client;
mod delete;
mod doctor;
mod failure;
mod get;
mod info;
mod key;
mod output;
mod ping;
mod program;
mod progress;
mod put;
mod range;
mod run;
mod shell;
mod split;
mod target;
mod trace;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::{failure::EXIT_CODES, output::Output};

/// Everyday checks of Kinetic drives, over the ktli-uring driver
#[derive(Parser)]
#[command(name = "ktli-uring", version, after_help = EXIT_CODES)]
struct Arguments {
    /// Print JSON: the result as one object on stdout, a failure as one on stderr
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Ask a drive again and again whether it is there, and tell how long it takes to answer
    #[command(after_help = EXIT_CODES)]
    Ping(ping::Ping),
    /// Store a value from a file or stdin
    #[command(after_help = EXIT_CODES)]
    Put(put::Put),
    /// Read a value to a file or stdout
    #[command(after_help = EXIT_CODES)]
    Get(get::Get),
    /// Remove values
    #[command(after_help = EXIT_CODES)]
    Delete(delete::Delete),
    /// List keys
    #[command(after_help = EXIT_CODES)]
    Range(range::RangeOf),
    /// Tell what a drive says of itself: what it is, its limits, how full and how warm it is
    #[command(after_help = EXIT_CODES)]
    Info(info::Info),
    /// Tell whether io_uring can be used here, what the driver will do, and whether it can be preloaded into a program
    #[command(after_help = EXIT_CODES)]
    Doctor(doctor::Doctor),
    /// Start a program with this driver in the place of libkinetic's socket driver
    #[command(after_help = run::EXIT_CODES)]
    Run(run::Run),
    /// Summarise what `run --trace` has written: calls, times, bytes, who waited for whom
    #[command(after_help = EXIT_CODES)]
    Trace(trace::Trace),
    /// Measure this driver beside the socket driver's flow: the ktli-bench program, with its options (`bench --help`)
    #[command(disable_help_flag = true)]
    Bench(beside::Passed),
    /// Print a shell's completions for this command
    Completions(shell::Completions),
    /// Print this command's manual page, or write all of them to a folder
    Man(shell::Man),
    /// Run a drive in memory, until it is interrupted: the kinetic-drive program, with its options (`drive --help`)
    #[command(disable_help_flag = true)]
    Drive(beside::Passed),
}

fn main() -> ExitCode {
    let Arguments { json, command } = Arguments::parse();
    let output = Output { json };
    let result = match &command {
        Command::Doctor(doctor) => match doctor.run(output) {
            Ok(None) => Ok(()),
            // The report has told why.
            Ok(Some(code)) => return code.into(),
            Err(failure) => Err(failure),
        },
        Command::Ping(ping) => ping.run(output),
        Command::Put(put) => put.run(output),
        Command::Get(get) => get.run(output),
        Command::Delete(delete) => delete.run(output),
        Command::Range(range) => range.run(output),
        Command::Info(info) => info.run(output),
        Command::Run(run) => run.run().map(|never| match never {}),
        Command::Trace(trace) => trace.run(output),
        Command::Bench(passed) => passed.run("ktli-bench", false),
        Command::Completions(completions) => completions.run(Arguments::command()),
        Command::Man(man) => man.run(Arguments::command()),
        Command::Drive(passed) => passed.run("kinetic-drive", json),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.fail(&failure);
            failure.code.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
