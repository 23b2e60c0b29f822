//! Measures KTLI drivers side by side, in libkinetic's calling pattern. See docs/performance.md.

mod alternate;
mod bare;
mod cpu;
mod credits;
mod cut;
mod figures;
mod floor;
mod frame;
mod load;
mod machine;
mod peers;
mod plan;
mod progress;
mod report;
mod results;
mod secure;
mod subject;

use std::{
    error::Error,
    io,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    alternate::Task,
    load::Work,
    peers::Peers,
    progress::Progress,
    results::{Operation, Results, Section},
};

/// Measures KTLI drivers side by side, in libkinetic's calling pattern.
#[derive(Parser)]
#[command(name = "ktli-bench", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure everything, below 20 minutes, and write bench.json, bench.md and charts
    Run {
        /// One point of each kind, in a minute
        #[arg(long)]
        quick: bool,
        /// Where to write
        #[arg(long, value_name = "DIRECTORY")]
        out: PathBuf,
        /// The kinetic-drive program, if it is not beside this one
        #[arg(long, value_name = "PROGRAM")]
        drive: Option<PathBuf>,
    },
    /// Measure chosen points and print a line for each
    Point(Points),
    /// Tell how often one call on a non-blocking socket does not take a whole message
    Cut,
    /// Write tables and charts of a bench.json anew
    Report {
        /// The bench.json; what is written goes beside it
        json: PathBuf,
    },
    /// The bare peer, which the others start
    #[command(hide = true)]
    Peer {
        #[arg(long)]
        port: u16,
        #[arg(long)]
        pin: Option<usize>,
    },
}

#[derive(clap::Args)]
struct Points {
    /// put, get or both, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "put,get")]
    operation: Vec<Operation>,
    /// Bytes of a value
    #[arg(long, value_delimiter = ',', default_value = "4096")]
    size: Vec<usize>,
    /// Requests outstanding on each connection
    #[arg(long, value_delimiter = ',', default_value = "32")]
    outstanding: Vec<usize>,
    /// Connections
    #[arg(long, value_delimiter = ',', default_value = "1")]
    connections: Vec<usize>,
    /// The drivers to look at
    #[arg(long, value_delimiter = ',', default_value = "default")]
    driver: Vec<String>,
    /// What they are compared with
    #[arg(long, default_value = "stock")]
    baseline: String,
    /// Pairs of runs
    #[arg(long, default_value_t = 7)]
    pairs: usize,
    /// Milliseconds of a run
    #[arg(long, default_value_t = 300)]
    time: u64,
    /// The client on one processor, the peer on another
    #[arg(long)]
    pinned: bool,
    /// Real requests to a kinetic-drive, instead of bare frames
    #[arg(long)]
    real: bool,
}

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run { quick, out, drive } => run(quick, out, drive),
        Command::Point(points) => measure(&points),
        Command::Cut => cut(),
        Command::Report { json } => report_again(&json),
        Command::Peer { port, pin } => bare::serve(port, pin).map_err(Into::into),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ktli-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(quick: bool, out: PathBuf, drive: Option<PathBuf>) -> Outcome {
    raise_file_limit()?;
    let mut peers = Peers::new(drive)?;
    let tasks = if quick { plan::quick() } else { plan::full() };
    let mut progress = Progress::new(plan::estimate(&tasks));
    let begun = Instant::now();
    let mut points = Vec::new();
    for task in &tasks {
        let peer = peers.of(task)?;
        let point = alternate::measure(task, peer, || progress.run(plan::run_time(task)))?;
        progress.line(&alternate::line(&point));
        points.push(point);
    }
    let most = if quick { 0 } else { plan::MOST_AGAIN };
    let again: Vec<_> =
        report::doubtful(&points).into_iter().take(most).map(|index| plan::again(&tasks[index])).collect();
    progress.expect(plan::estimate(&again));
    for task in &again {
        let point = alternate::measure(task, peers.of(task)?, || progress.run(plan::run_time(task)))?;
        progress.line(&format!("again: {}", alternate::line(&point)));
        points.push(point);
    }
    let results = Results {
        machine: machine::describe(),
        plan: if quick { "quick" } else { "full" }.into(),
        seconds: begun.elapsed().as_secs_f64(),
        points,
    };
    report::write(&results, &out)?;
    println!("written: bench.json, bench.md and charts in {}", out.display());
    for line in report::failed(&results) {
        println!("target missed: {line}");
    }
    Ok(())
}

fn measure(points: &Points) -> Outcome {
    raise_file_limit()?;
    let mut peers = Peers::new(None)?;
    let find = |name: &str| subject::by_name(name).ok_or_else(|| format!("there is no driver {name}"));
    for task in points.tasks(find)? {
        println!("{}", alternate::line(&alternate::measure(&task, peers.of(&task)?, || {})?));
    }
    Ok(())
}

fn cut() -> Outcome {
    let peer = ktli_client::peer::Peer::start(&std::env::current_exe()?, &["peer"])?;
    Ok(cut::measure(&peer)?)
}

impl Points {
    fn tasks(
        &self,
        find: impl Fn(&str) -> Result<subject::Subject, String>,
    ) -> Result<Vec<Task>, Box<dyn Error>> {
        let mut tasks = Vec::new();
        for &operation in &self.operation {
            for &size in &self.size {
                for &outstanding in &self.outstanding {
                    for &connections in &self.connections {
                        for driver in &self.driver {
                            tasks.push(Task {
                                section: if self.pinned { Section::Pinned } else { Section::Grid },
                                work: Work {
                                    operation,
                                    size,
                                    outstanding,
                                    connections,
                                    warm_up: Duration::from_millis(50 + connections as u64 / 5),
                                    time: Duration::from_millis(self.time),
                                    real: self.real,
                                    tls: false,
                                },
                                pinned: self.pinned,
                                subject: find(driver)?,
                                baseline: find(&self.baseline)?,
                                pairs: self.pairs,
                            });
                        }
                    }
                }
            }
        }
        Ok(tasks)
    }
}

fn report_again(json: &std::path::Path) -> Outcome {
    let results = serde_json::from_str(&std::fs::read_to_string(json)?)?;
    report::write(&results, json.parent().ok_or("a file lies in a directory")?)
}

/// Each connection needs up to four descriptors, and the usual limit is just above a thousand.
fn raise_file_limit() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}
