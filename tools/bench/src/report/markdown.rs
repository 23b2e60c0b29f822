//! `bench.md`: the run in tables.

use std::fmt::Write;

use super::{
    targets::{self, Verdict},
    text::{self, distinct},
};
use crate::results::{Point, Results, Section};

const SECTIONS: [(Section, &str, &str); 8] = [
    (Section::Grid, "Sizes and requests outstanding", "by operation, value size and requests outstanding"),
    (
        Section::Again,
        "Measured again",
        "at those points of the table above that miss what is asked of all of them, in at least twice as many pairs (the \
         charts show the first figures)",
    ),
    (Section::Pinned, "Pinned", "with the client on one core and the peer on another"),
    (Section::Drivers, "Other drivers and options", "at chosen points"),
    (Section::Connections, "Connections", "by number of connections"),
    (Section::Buffers, "Socket buffers", "by size of the socket's buffers"),
    (Section::Drive, "With kinetic-drive", "with kinetic-drive in the place of the bare peer"),
    (
        Section::Tls,
        "TLS",
        "by operation, value size and requests outstanding, with a bare peer that has TLS, too",
    ),
];

const LEGEND: &str = "\
Ratios are driver to baseline: the median of the pairs of runs, and the interval that holds the true
median with 95 % confidence. The driver is ahead where the ratio of requests/s is above 1, and those of
CPU time per request and of latency are below 1. The other figures are medians of the driver's runs;
calls are the driver's and the baseline's system calls per request. 4 KiB × 32 means values of 4 KiB
and 32 requests outstanding.";

/// A table whose columns are padded, so that it can be read as it is.
struct Table {
    rows: Vec<Vec<String>>,
    /// So many columns are text; the others are figures, and aligned to the right.
    texts: usize,
}

impl Table {
    fn new(header: &[&str], texts: usize) -> Table {
        Table { rows: vec![header.iter().map(ToString::to_string).collect()], texts }
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0).max(2)).collect();
        for (index, row) in self.rows.iter().enumerate() {
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                if column < self.texts {
                    write!(formatter, "| {cell:<width$} ")?;
                } else {
                    write!(formatter, "| {cell:>width$} ")?;
                }
            }
            formatter.write_str("|\n")?;
            if index == 0 {
                for (column, width) in widths.iter().enumerate() {
                    let (end, dashes) = if column < self.texts { ('-', "-") } else { (':', "-") };
                    write!(formatter, "|-{}{end}", dashes.repeat(*width))?;
                }
                formatter.write_str("|\n")?;
            }
        }
        Ok(())
    }
}

/// The file's contents. `charts` are the names and titles of those that were drawn.
pub fn of(results: &Results, charts: &[(&str, String)]) -> String {
    let mut parts = vec!["# Benchmark".into(), head(results), targets(results), LEGEND.into()];
    parts.extend(charts.iter().map(|(file, title)| format!("![{title}]({file})")));
    for (section, title, by) in SECTIONS {
        let points: Vec<_> = results.points.iter().filter(|point| point.section == section).collect();
        if !points.is_empty() {
            parts.push(format!("## {title}"));
            parts.push(sentence(&points, by));
            parts.push(table(&points));
        }
    }
    parts.iter().map(|part| part.trim_end()).collect::<Vec<_>>().join("\n\n") + "\n"
}

/// Where and how it was measured.
fn head(results: &Results) -> String {
    let machine = &results.machine;
    let points: Vec<_> = results.points.iter().collect();
    let pairs = distinct(&points, |point| point.pairs);
    let pairs = match (pairs.first(), pairs.last()) {
        (Some(least), Some(most)) if least == most => format!("{least}"),
        (Some(least), Some(most)) => format!("{least} to {most}"),
        _ => "no".into(),
    };
    let [send, receive] = machine.buffer_caps.map(|bytes| text::size(bytes as usize));
    let mut head = String::new();
    let mut line = |name: &str, value: String| writeln!(head, "- {name}: {value}").unwrap_or_default();
    line("Machine", format!("{} × {}, Linux {}", machine.processors, machine.processor, machine.kernel));
    line("Driver", machine.driver.clone());
    line("Congestion control", machine.congestion_control.clone());
    line("Caps of the socket's buffers", format!("{send} to send, {receive} to receive"));
    line("Plan", format!("{}, {}", results.plan, text::duration(results.seconds)));
    line("Points", format!("{}, each with {pairs} pairs of runs", points.len()));
    head
}

/// What the project wants to reach, and what was measured.
fn targets(results: &Results) -> String {
    let mut table = Table::new(&["Where", "What", "Target", "Measured (the worst)", "Met"], 5);
    for outcome in targets::outcomes(results) {
        let verdict = match outcome.verdict {
            Verdict::Yes => "yes",
            Verdict::No => "**no**",
            Verdict::NotMeasured => "not measured",
        };
        let [name, quantity, verdict] = [outcome.name, outcome.quantity, verdict].map(String::from);
        table.rows.push(vec![name, quantity, outcome.demand, outcome.measured, verdict]);
    }
    format!("## Targets\n\n{table}")
}

/// What is compared in a section.
fn sentence(points: &[&Point], by: &str) -> String {
    let one = |mut names: Vec<&str>| (names.len() == 1).then(|| names.remove(0).to_string());
    let driver = one(distinct(points, |point| point.driver.as_str())).unwrap_or("Each driver".into());
    let baseline = one(distinct(points, |point| point.baseline.as_str())).unwrap_or("its baseline".into());
    let connections = match distinct(points, |point| point.connections)[..] {
        [1] => ", over one connection".into(),
        [connections] => format!(", over {connections} connections"),
        _ => String::new(),
    };
    format!("{driver} against {baseline}, {by}{connections}.")
}

/// A column: its heading, and what it says of a point.
type Column = (&'static str, fn(&Point) -> String);

/// What says which point it is; the flag is for those that are left out where they do not vary.
const NAMES: [(bool, Column); 6] = [
    (false, ("op", |point| text::operation(point.operation).into())),
    (false, ("value", |point| text::size(point.size))),
    (false, ("out", |point| point.outstanding.to_string())),
    (true, ("connections", |point| text::count(point.connections as f64))),
    (true, ("driver", |point| point.driver.clone())),
    (true, ("baseline", |point| point.baseline.clone())),
];

const FIGURES: [Column; 8] = [
    ("requests/s ratio", |point| text::interval(point.ratio.rate)),
    ("CPU ratio", |point| text::interval(point.ratio.cpu)),
    ("p99 ratio", |point| text::interval(point.ratio.p99)),
    ("requests/s", |point| text::count(point.of_driver.rate)),
    ("GB/s", |point| text::figure(point.of_driver.gigabytes)),
    ("CPU µs client / peer", |point| {
        format!("{} / {}", text::figure(point.of_driver.cpu_us), text::figure(point.of_driver.peer_cpu_us))
    }),
    ("calls", |point| {
        format!("{} / {}", text::figure(point.of_driver.calls), text::figure(point.of_baseline.calls))
    }),
    ("p50 / p99 / p99.9 µs", |Point { of_driver, .. }| {
        [of_driver.p50_us, of_driver.p99_us, of_driver.p999_us].map(text::figure).join(" / ")
    }),
];

fn table(points: &[&Point]) -> String {
    let varies = |name: fn(&Point) -> String| distinct(points, name).len() > 1;
    let names = NAMES.iter().filter(|(only_if_varies, (_, name))| !only_if_varies || varies(*name));
    let columns: Vec<Column> = names.map(|(_, column)| *column).collect();
    let texts = columns.len();
    let columns: Vec<Column> = columns.into_iter().chain(FIGURES).collect();
    let header: Vec<&str> = columns.iter().map(|(heading, _)| *heading).collect();
    let mut table = Table::new(&header, texts);
    table.rows.extend(points.iter().map(|point| columns.iter().map(|(_, cell)| cell(point)).collect()));
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::sample,
        results::{Operation, Section},
    };

    #[test]
    fn lines_of_a_table_are_equally_long() {
        let results = sample::results();
        let points: Vec<_> = results.points.iter().collect();
        let table = table(&points);
        let widths: Vec<_> = table.lines().map(|line| line.chars().count()).collect();
        assert!(
            widths.len() == points.len() + 2 && widths.iter().all(|width| *width == widths[0]),
            "{table}"
        );
    }

    #[test]
    fn columns_are_there_where_they_vary() {
        let point = sample::point(Section::Grid, Operation::Get, 512, 32, 2.0);
        let other = Point { driver: "spin".into(), ..point.clone() };
        assert!(!table(&[&point]).contains("driver"));
        assert!(table(&[&point, &other]).contains("| spin "));
        assert!(table(&[&point]).contains("\n| GET | 512 B | 32  | 2.00 (1.90–2.10) |"));
    }

    #[test]
    fn sections_without_points_are_left_out() {
        let text = of(&sample::results(), &[("latency.svg", "Latency".into())]);
        assert!(
            text.contains("\n## Connections\n\nktli-uring against stock flow, by number of connections.\n")
        );
        assert!(text.contains("\n![Latency](latency.svg)\n") && !text.contains("## Pinned"));
    }
}
