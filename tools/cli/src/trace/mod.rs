//! `trace`: summarises what `run --trace` has had written.

mod read;
mod summary;
mod timeline;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;

use self::summary::{Session, Summary};
use crate::{
    failure::{Failure, Result},
    output::Output,
};

/// Arguments of `trace`.
#[derive(Args)]
pub struct Trace {
    /// The file that `run --trace` or `KTLI_URING_TRACE` named
    file: PathBuf,
    /// Draw a timeline: a lane for each thread, coloured by the function that it was in
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print each call instead, in the order in which they began
    #[arg(long, conflicts_with = "json")]
    calls: bool,
}

impl Trace {
    /// Runs the subcommand.
    pub fn run(&self, output: Output) -> Result<()> {
        let trace = read::read(&self.file)?;
        if let Some(svg) = &self.svg {
            timeline::draw(&trace, svg)
                .map_err(|error| Failure::other(format!("{}: {error}", svg.display())))?;
        }
        if self.calls {
            return output.show(&(), |out| calls(out, &trace));
        }
        let summary = summary::summarise(&trace);
        output.show(&summary, |out| text(out, &summary))
    }
}

fn calls(out: &mut dyn Write, trace: &read::Trace) -> io::Result<()> {
    writeln!(
        out,
        "    start ms  duration us  process   thread  session  function      argument      result  errno"
    )?;
    let begin = trace.calls.first().map_or(0, |call| call.record.start);
    trace.calls.iter().try_for_each(|call| {
        let record = &call.record;
        writeln!(
            out,
            "{:>12.3} {:>12.1} {:>8} {:>8} {:>8x}  {:<10} {:>11} {:>11} {:>6}",
            (record.start - begin) as f64 / 1e6,
            record.duration as f64 / 1e3,
            call.process,
            record.thread,
            record.handle & 0xffff,
            record.function.name(),
            record.argument,
            record.result,
            record.errno
        )
    })
}

fn text(out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
    writeln!(out, "{} calls in {:.3} s", summary.calls, summary.seconds)?;
    if summary.lost > 0 {
        writeln!(out, "{} more were not written: the disk was too slow for them", summary.lost)?;
    }
    if summary.cut {
        writeln!(out, "the file ends in the middle of what was being written")?;
    }
    writeln!(
        out,
        "\n{:<10} {:>9} {:>7} {:>14} {:>10} {:>10} {:>10} {:>11} {:>9}",
        "function", "calls", "failed", "bytes", "50 % us", "90 % us", "99 % us", "longest us", "all s"
    )?;
    for line in &summary.functions {
        writeln!(
            out,
            "{:<10} {:>9} {:>7} {:>14} {:>10.1} {:>10.1} {:>10.1} {:>11.1} {:>9.3}",
            line.function,
            line.calls,
            line.failed,
            line.bytes,
            line.p50_us,
            line.p90_us,
            line.p99_us,
            line.max_us,
            line.seconds
        )?;
    }
    summary.sessions.iter().try_for_each(|line| session(out, line))?;
    if !summary.failures.is_empty() {
        writeln!(out, "\nfailures")?;
    }
    for line in &summary.failures {
        writeln!(out, "  {} times {}: {}", line.calls, line.function, line.text)?;
    }
    Ok(())
}

fn session(out: &mut dyn Write, session: &Session) -> io::Result<()> {
    let list = |threads: &[u32]| threads.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let part = |seconds: f64| {
        let part = if session.seconds > 0.0 { 100.0 * seconds / session.seconds } else { 0.0 };
        format!("{seconds:.3} s ({part:.0} %)")
    };
    writeln!(
        out,
        "\nsession {:x} of process {}, {:.3} s: {} messages sent by thread {}, {} received by thread {}",
        session.handle & 0xffff,
        session.process,
        session.seconds,
        session.sent,
        list(&session.senders),
        session.received,
        list(&session.receivers)
    )?;
    writeln!(out, "  the receiver waited for the drive    {}", part(session.for_drive_seconds))?;
    writeln!(out, "  the receiver waited for the program  {}", part(session.for_program_seconds))?;
    writeln!(out, "  the sender was in send               {}", part(session.in_send_seconds))
}
