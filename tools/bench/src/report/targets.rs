//! What the project wants to reach, and whether a run has reached it.

use std::ops::RangeInclusive;

use super::text;
use crate::results::{Interval, Operation, Point, Results, Section};

/// A target: points, and what is asked of every one of them.
struct Target {
    name: &'static str,
    section: Section,
    /// Only this driver's.
    driver: Option<&'static str>,
    /// Each of them has to be measured; with none given, what there is counts.
    operations: &'static [Operation],
    sizes: RangeInclusive<usize>,
    outstanding: RangeInclusive<usize>,
    connections: RangeInclusive<usize>,
    demands: &'static [(Quantity, Bound)],
}

#[derive(Clone, Copy)]
enum Quantity {
    Rate,
    Cpu,
    P99,
    Calls,
}

#[derive(Clone, Copy)]
enum Bound {
    /// The median is at least this.
    AtLeast(f64),
    /// The median is at most this.
    AtMost(f64),
    /// The interval reaches this from below: it could well be as much.
    ReachesUp(f64),
    /// The interval reaches this from above: it could well be as little.
    ReachesDown(f64),
}

use Bound::{AtLeast, AtMost, ReachesDown, ReachesUp};
use Operation::{Get, Put};
use Quantity::{Calls, Cpu, P99, Rate};

const KIB: usize = 1 << 10;
const ALL: RangeInclusive<usize> = 0..=usize::MAX;

const ANY_GRID: Target = Target {
    name: "Every size and number outstanding",
    section: Section::Grid,
    driver: None,
    operations: &[Put, Get],
    sizes: ALL,
    outstanding: ALL,
    connections: ALL,
    demands: &[(Rate, ReachesUp(1.0)), (Cpu, AtMost(1.1))],
};

/// At one size, with 32 requests outstanding.
const fn at_32(size: usize) -> Target {
    Target { sizes: size..=size, outstanding: 32..=32, ..ANY_GRID }
}

static TARGETS: [Target; 8] = [
    Target {
        name: "512 B × 32",
        demands: &[(Rate, AtLeast(2.0)), (Cpu, AtMost(0.40)), (Calls, AtMost(0.5))],
        ..at_32(512)
    },
    Target {
        name: "4 KiB × 32",
        demands: &[(Rate, AtLeast(1.8)), (Cpu, AtMost(0.45)), (P99, AtMost(0.7))],
        ..at_32(4 * KIB)
    },
    Target { name: "16 KiB × 32", demands: &[(Rate, AtLeast(1.4)), (Cpu, AtMost(0.65))], ..at_32(16 * KIB) },
    Target {
        name: "1 MiB × 32",
        operations: &[Get],
        demands: &[(Rate, AtLeast(1.5)), (Cpu, AtMost(0.50))],
        ..at_32(1024 * KIB)
    },
    ANY_GRID,
    Target {
        name: "The same where it was missed, measured again",
        section: Section::Again,
        operations: &[],
        ..ANY_GRID
    },
    Target {
        name: "Spinning, up to 16 KiB × 1",
        section: Section::Drivers,
        driver: Some("spin"),
        operations: &[],
        sizes: 0..=16 * KIB,
        outstanding: 1..=1,
        demands: &[(Rate, AtLeast(1.3)), (Cpu, AtMost(1.6))],
        ..ANY_GRID
    },
    Target {
        name: "1,000 connections",
        section: Section::Connections,
        operations: &[],
        connections: 1000..=1000,
        demands: &[(Cpu, ReachesDown(1.0))],
        ..ANY_GRID
    },
];

/// Whether a target is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is, at every point.
    Yes,
    /// It is not, at some point.
    No,
    /// A point is missing, and the others meet it.
    NotMeasured,
}

/// What has become of one demand of a target.
pub struct Outcome {
    /// The target's name.
    pub name: &'static str,
    /// What is looked at.
    pub quantity: &'static str,
    /// What is demanded of it.
    pub demand: String,
    /// The worst that was measured, for each operation.
    pub measured: String,
    /// Whether it is met.
    pub verdict: Verdict,
}

impl Quantity {
    fn name(self) -> &'static str {
        match self {
            Rate => "requests/s ratio",
            Cpu => "CPU ratio",
            P99 => "p99 ratio",
            Calls => "calls per request",
        }
    }

    fn of(self, point: &Point) -> Interval {
        let calls = point.of_driver.calls;
        match self {
            Rate => point.ratio.rate,
            Cpu => point.ratio.cpu,
            P99 => point.ratio.p99,
            Calls => Interval { median: calls, low: calls, high: calls },
        }
    }
}

impl Bound {
    fn text(self) -> String {
        match self {
            AtLeast(bound) => format!("≥ {bound:.2}"),
            AtMost(bound) => format!("≤ {bound:.2}"),
            ReachesUp(bound) => format!("not wholly < {bound:.2}"),
            ReachesDown(bound) => format!("not wholly > {bound:.2}"),
        }
    }

    /// How far it is met; negative if it is not. What is no number does not meet it.
    fn margin(self, Interval { median, low, high }: Interval) -> f64 {
        let margin = match self {
            AtLeast(bound) => median - bound,
            AtMost(bound) => bound - median,
            ReachesUp(bound) => high - bound,
            ReachesDown(bound) => bound - low,
        };
        if margin.is_nan() { f64::NEG_INFINITY } else { margin }
    }
}

impl Target {
    fn points<'a>(&self, results: &'a Results) -> Vec<&'a Point> {
        let driver = |point: &Point| self.driver.is_none_or(|driver| driver == point.driver);
        let operation =
            |point: &Point| self.operations.is_empty() || self.operations.contains(&point.operation);
        let points = results.points.iter();
        points
            .filter(|point| point.section == self.section && driver(point) && operation(point))
            .filter(|point| self.sizes.contains(&point.size) && self.outstanding.contains(&point.outstanding))
            .filter(|point| self.connections.contains(&point.connections))
            .collect()
    }

    fn outcome(&self, points: &[&Point], quantity: Quantity, bound: Bound) -> Outcome {
        let (mut measured, mut verdict) = (Vec::new(), Verdict::Yes);
        for operation in [Put, Get] {
            let points: Vec<_> = points.iter().filter(|point| point.operation == operation).collect();
            let margin = |point: &Point| bound.margin(quantity.of(point));
            let worst = points.iter().min_by(|a, b| margin(a).total_cmp(&margin(b)));
            let Some(worst) = worst else {
                if self.operations.contains(&operation) && verdict == Verdict::Yes {
                    verdict = Verdict::NotMeasured;
                }
                continue;
            };
            let place = match points.len() {
                1 if self.section != Section::Again => String::new(),
                _ => format!(" {} × {}", text::size(worst.size), worst.outstanding),
            };
            let figure = text::interval(quantity.of(worst));
            measured.push(format!("{}{place} {figure}", text::operation(operation)));
            if margin(worst) < 0.0 {
                verdict = Verdict::No;
            }
        }
        if measured.is_empty() {
            verdict = Verdict::NotMeasured;
        }
        Outcome {
            name: self.name,
            quantity: quantity.name(),
            demand: bound.text(),
            measured: measured.join(", "),
            verdict,
        }
    }
}

/// Looks at all targets.
pub fn outcomes(results: &Results) -> Vec<Outcome> {
    let asked = |target: &&Target| target.section != Section::Again || !target.points(results).is_empty();
    let outcomes = TARGETS.iter().filter(asked).flat_map(|target| {
        let points = target.points(results);
        let demands = target.demands.iter();
        let left_out = target.section == Section::Again && points.len() < doubtful(&results.points).len();
        demands.map(move |&(quantity, bound)| {
            let mut outcome = target.outcome(&points, quantity, bound);
            if left_out && outcome.verdict == Verdict::Yes {
                outcome.verdict = Verdict::NotMeasured;
            }
            outcome
        })
    });
    outcomes.collect()
}

/// The points that miss what is asked of every size and number outstanding, the worst first.
pub fn doubtful(points: &[Point]) -> Vec<usize> {
    let margin = |point: &Point| {
        let margins = ANY_GRID.demands.iter().map(|&(quantity, bound)| bound.margin(quantity.of(point)));
        margins.min_by(f64::total_cmp).unwrap_or(0.0)
    };
    let points = points.iter().enumerate().filter(|(_, point)| point.section == Section::Grid);
    let mut missing: Vec<_> = points.map(|(index, point)| (index, margin(point))).collect();
    missing.retain(|(_, margin)| *margin < 0.0);
    missing.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    missing.into_iter().map(|(index, _)| index).collect()
}

/// The targets that are missed, each in a line.
pub fn failed(results: &Results) -> Vec<String> {
    let missed = outcomes(results).into_iter().filter(|outcome| outcome.verdict == Verdict::No);
    missed
        .map(|Outcome { name, quantity, demand, measured, .. }| {
            format!("{name}: {quantity} {demand}, but {measured}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn verdicts(results: &Results, name: &str) -> Vec<Verdict> {
        let outcomes = outcomes(results).into_iter().filter(|outcome| outcome.name == name);
        outcomes.map(|outcome| outcome.verdict).collect()
    }

    #[test]
    fn nothing_is_missed_where_nothing_is_measured() {
        let mut results = sample::results();
        results.points.clear();
        assert!(outcomes(&results).iter().all(|outcome| outcome.verdict == Verdict::NotMeasured));
        assert!(failed(&results).is_empty());
    }

    #[test]
    fn one_operation_of_two_is_not_enough() {
        let mut results = sample::results();
        assert_eq!(verdicts(&results, "512 B × 32"), [Verdict::Yes; 3]);
        results.points.retain(|point| point.operation == Put);
        assert_eq!(verdicts(&results, "512 B × 32"), [Verdict::NotMeasured; 3]);
        results.points.iter_mut().for_each(|point| point.ratio.rate = sample::interval(0.5));
        assert_eq!(verdicts(&results, "512 B × 32")[0], Verdict::No);
    }

    #[test]
    fn the_worst_point_counts() {
        let mut results = sample::results();
        let point = results.points.iter_mut().find(|point| point.size == 4096 && point.outstanding == 1);
        point.expect("the sample has it").ratio.rate = Interval { median: 0.9, low: 0.8, high: 0.95 };
        assert_eq!(
            failed(&results),
            ["Every size and number outstanding: requests/s ratio not wholly < 1.00, \
                 but PUT 4 KiB × 1 0.90 (0.80–0.95), GET 0 × 1 1.15 (1.09–1.21)"]
        );
    }

    #[test]
    fn what_misses_is_measured_again_and_both_are_told() {
        let mut results = sample::results();
        let name = "The same where it was missed, measured again";
        assert!(doubtful(&results.points).is_empty());
        assert!(verdicts(&results, name).is_empty());
        results.points[3].ratio.rate = Interval { median: 0.9, low: 0.8, high: 0.95 };
        results.points[5].ratio.cpu = sample::interval(1.2);
        // The worst first.
        assert_eq!(doubtful(&results.points), [5, 3]);
        let again = results.points[5].clone();
        let better = Point { section: Section::Again, ..results.points[4].clone() };
        results.points.push(better);
        assert_eq!(verdicts(&results, "Every size and number outstanding"), [Verdict::No; 2]);
        // One of two was left out.
        assert_eq!(verdicts(&results, name), [Verdict::NotMeasured; 2]);
        results.points.push(Point { section: Section::Again, ..again.clone() });
        assert_eq!(verdicts(&results, name), [Verdict::Yes, Verdict::No]);
        let place = format!("{} × {} 1.20 (", text::size(again.size), again.outstanding);
        assert!(failed(&results).last().is_some_and(|line| line.contains(&place)), "{:?}", failed(&results));
        // What was measured again is no point of the grid.
        assert_eq!(doubtful(&results.points).len(), 2);
    }

    #[test]
    fn intervals_that_reach_the_bound_meet_it() {
        let interval = Interval { median: 0.9, low: 0.8, high: 1.0 };
        assert!(ReachesUp(1.0).margin(interval) >= 0.0 && AtLeast(1.0).margin(interval) < 0.0);
        let interval = Interval { median: 1.1, low: 1.0, high: 1.2 };
        assert!(ReachesDown(1.0).margin(interval) >= 0.0 && AtMost(1.0).margin(interval) < 0.0);
        let interval = Interval { median: f64::NAN, low: f64::NAN, high: f64::NAN };
        assert!(AtMost(1.0).margin(interval) < 0.0);
    }
}
