//! Pairs of runs in turns, and what they say.
//!
//! Two drivers are run A B, B A, A B, …: the machine's mood changes from second to second, and only what was
//! measured side by side can be compared. What counts is the median of the pairs' ratios.

use std::io;

use ktli_client::peer::Peer;

use crate::{
    cpu,
    figures::{interval, median},
    load::{Run, Work},
    results::{Interval, Operation, Point, Ratios, Section, Side},
    subject::Subject,
};

/// What to measure at one point.
#[derive(Clone, Copy)]
pub struct Task {
    /// Why.
    pub section: Section,
    /// What is done.
    pub work: Work,
    /// The client on one processor, the peer on another.
    pub pinned: bool,
    /// What is looked at.
    pub subject: Subject,
    /// What it is compared with.
    pub baseline: Subject,
    /// How many pairs.
    pub pairs: usize,
}

/// Measures one point; `progress` is called before each run.
pub fn measure(task: &Task, peer: &Peer, mut progress: impl FnMut()) -> io::Result<Point> {
    let everywhere: Vec<usize> = (0..cpu::count()).collect();
    cpu::pin(if task.pinned { &everywhere[..1] } else { &everywhere })?;
    let mut runs: [Vec<Run>; 2] = [Vec::new(), Vec::new()];
    for pair in 0..task.pairs {
        for turn in 0..2 {
            let side = (pair + turn) % 2;
            progress();
            let subject = [task.subject, task.baseline][side];
            let run = subject.run(peer, task.work);
            runs[side].push(run.map_err(|error| {
                io::Error::new(error.kind(), format!("{}, {:?}: {error}", subject.name, task.work))
            })?);
        }
    }
    cpu::pin(&everywhere)?;
    Ok(point(task, &runs))
}

fn point(task: &Task, runs: &[Vec<Run>; 2]) -> Point {
    let ratio = |figure: &dyn Fn(&Run) -> f64| -> Interval {
        let mut ratios: Vec<f64> =
            runs[0].iter().zip(&runs[1]).map(|(driver, base)| figure(driver) / figure(base)).collect();
        interval(&mut ratios)
    };
    let work = &task.work;
    let side = |runs: &[Run]| -> Side {
        let of = |figure: &dyn Fn(&Run) -> f64| median(&mut runs.iter().map(figure).collect::<Vec<_>>());
        Side {
            rate: of(&rate),
            gigabytes: of(&rate) * work.size as f64 / 1e9,
            cpu_us: of(&cpu_us),
            peer_cpu_us: of(&|run| run.peer_cpu.as_secs_f64() * 1e6 / run.requests as f64),
            calls: of(&|run| run.calls),
            p50_us: of(&latency(50.0)),
            p99_us: of(&latency(99.0)),
            p999_us: of(&latency(99.9)),
        }
    };
    Point {
        section: task.section,
        operation: work.operation,
        size: work.size,
        outstanding: work.outstanding,
        connections: work.connections,
        driver: task.subject.name.into(),
        baseline: task.baseline.name.into(),
        pairs: task.pairs,
        requests: median(&mut runs[0].iter().map(|run| run.requests as f64).collect::<Vec<_>>()) as usize,
        ratio: Ratios {
            rate: ratio(&rate),
            cpu: ratio(&cpu_us),
            p50: ratio(&latency(50.0)),
            p99: ratio(&latency(99.0)),
            p999: ratio(&latency(99.9)),
        },
        of_driver: side(&runs[0]),
        of_baseline: side(&runs[1]),
    }
}

fn rate(run: &Run) -> f64 {
    run.requests as f64 / run.time.as_secs_f64()
}

fn cpu_us(run: &Run) -> f64 {
    run.cpu.as_secs_f64() * 1e6 / run.requests as f64
}

fn latency(percentile: f64) -> impl Fn(&Run) -> f64 {
    move |run| run.latency.value_at_percentile(percentile) as f64 / 1e3
}

/// A line that tells a point to a person who waits.
pub fn line(point: &Point) -> String {
    let name = |operation| if operation == Operation::Put { "PUT" } else { "GET" };
    let Ratios { rate, cpu, p99, .. } = point.ratio;
    let [driver, base] = [point.of_driver, point.of_baseline];
    format!(
        "{} {:>8} x{:<3} c{:<4} {:>9}/{:<7} rate {:5.2} ({:.2}-{:.2})  cpu {:5.2} ({:.2}-{:.2})  p99 {:5.2}  | {:>8.0} {:>8.0}/s  {:7.1} {:7.1} us  peer {:6.1} {:6.1}  calls {:5.2} {:5.2}  p50 {:6.0} {:6.0}",
        name(point.operation),
        point.size,
        point.outstanding,
        point.connections,
        point.driver,
        point.baseline,
        rate.median,
        rate.low,
        rate.high,
        cpu.median,
        cpu.low,
        cpu.high,
        p99.median,
        driver.rate,
        base.rate,
        driver.cpu_us,
        base.cpu_us,
        driver.peer_cpu_us,
        base.peer_cpu_us,
        driver.calls,
        base.calls,
        driver.p50_us,
        base.p50_us,
    )
}
