//! `ping`: NOOPs, and how long their answers take.

use std::{
    io::{self, Write},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use serde::Serialize;

use crate::{
    client::{Client, success},
    failure::{Failure, Result},
    output::Output,
    target::Target,
};

/// Arguments of `ping`.
#[derive(Args)]
pub struct Ping {
    #[command(flatten)]
    target: Target,
    /// How many times to ask
    #[arg(short, long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Seconds between one question and the next
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    interval: Duration,
}

fn interval(text: &str) -> std::result::Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

#[derive(Serialize)]
struct Report {
    drive: String,
    connect_ms: f64,
    answers: usize,
    min_ms: f64,
    mean_ms: f64,
    max_ms: f64,
    times_ms: Vec<f64>,
}

impl Ping {
    /// Runs the subcommand.
    pub fn run(&self, output: Output) -> Result<()> {
        let begun = Instant::now();
        let mut client = Client::connect(&self.target)?;
        let connect_ms = milliseconds(begun);
        let drive = self.target.drive.to_string();
        if !output.json {
            writeln!(io::stdout(), "{drive}: connected, and greeted, in {connect_ms:.3} ms")
                .map_err(Failure::output)?;
        }
        let mut times_ms = Vec::new();
        for number in 1..=self.count {
            if number > 1 {
                thread::sleep(self.interval);
            }
            let request = client.builder.noop();
            let asked = Instant::now();
            let (answer, _) = client.ask(request, Arc::default())?;
            let time = milliseconds(asked);
            success(&drive, &answer)?;
            times_ms.push(time);
            if !output.json {
                writeln!(io::stdout(), "{drive}: answer {number} in {time:.3} ms")
                    .map_err(Failure::output)?;
            }
        }
        let report = Report {
            drive,
            connect_ms,
            answers: times_ms.len(),
            min_ms: times_ms.iter().copied().fold(f64::INFINITY, f64::min),
            mean_ms: times_ms.iter().sum::<f64>() / times_ms.len() as f64,
            max_ms: times_ms.iter().copied().fold(0.0, f64::max),
            times_ms,
        };
        output.show(&report, |out| {
            let Report { answers, min_ms, mean_ms, max_ms, .. } = &report;
            writeln!(out, "{answers} answers: least {min_ms:.3}, mean {mean_ms:.3}, most {max_ms:.3} ms")
        })
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
