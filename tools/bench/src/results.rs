//! What a run of the benchmark has found: the contents of `bench.json`.

use serde::{Deserialize, Serialize};

/// A whole run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Where it ran.
    pub machine: Machine,
    /// "quick" or "full".
    pub plan: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// One for each point and driver, in the order in which they were measured.
    pub points: Vec<Point>,
}

/// The machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// How many there are.
    pub processors: usize,
    /// The kernel's release.
    pub kernel: String,
    /// What the driver says that it uses.
    pub driver: String,
    /// The kernel's congestion control, which paces what is sent or does not.
    pub congestion_control: String,
    /// `net.core.wmem_max` and `rmem_max`, in bytes.
    pub buffer_caps: [u64; 2],
}

/// Why a point is measured: each section is a table of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// Sizes × PUT, GET × requests outstanding, this driver against the stock flow.
    Grid,
    /// Those of them that missed what is asked of every one, in more pairs of runs: of seventy intervals about one lies
    /// wholly on the wrong side where nothing is different.
    Again,
    /// Some of those again, the client on one core and the peer on the other.
    Pinned,
    /// The other drivers, strategies and options at chosen points, against the stock flow.
    Drivers,
    /// Many connections with one request outstanding each.
    Connections,
    /// Sizes of the socket's buffers.
    Buffers,
    /// Against kinetic-drive in the place of the bare peer.
    Drive,
    /// Over TLS, against plain connections.
    Tls,
}

/// What is asked of the peer.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// The value goes to the peer.
    Put,
    /// The value comes from the peer.
    Get,
}

/// One driver against its baseline, at one point.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Point {
    /// Why it was measured.
    pub section: Section,
    /// What was asked for.
    pub operation: Operation,
    /// Bytes of a value.
    pub size: usize,
    /// Requests outstanding on each connection.
    pub outstanding: usize,
    /// Connections at a time.
    pub connections: usize,
    /// The driver that is looked at.
    pub driver: String,
    /// The driver that it is compared with, in turns.
    pub baseline: String,
    /// Pairs of runs.
    pub pairs: usize,
    /// Requests in one run of either side.
    pub requests: usize,
    /// Ratios of the pairs, driver to baseline.
    pub ratio: Ratios,
    /// What the driver's runs show, as medians.
    pub of_driver: Side,
    /// What the baseline's runs show, as medians.
    pub of_baseline: Side,
}

/// Ratios, driver to baseline: the median of the pairs' and its 95 % interval.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Ratios {
    /// Of requests per second; above 1 the driver is ahead.
    pub rate: Interval,
    /// Of the client's CPU time per request; below 1 the driver is ahead. So in the next three.
    pub cpu: Interval,
    /// Of the median latency.
    pub p50: Interval,
    /// Of the latency that one request in a hundred exceeds.
    pub p99: Interval,
    /// Of the latency that one request in a thousand exceeds.
    pub p999: Interval,
}

/// A median and the interval that holds the true one with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The median.
    pub median: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// One side of a point: medians over its runs. They are for orientation; what counts are the ratios.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Side {
    /// Requests per second, all connections together.
    pub rate: f64,
    /// Gigabytes (10^9) of values per second.
    pub gigabytes: f64,
    /// The client's CPU time per request in microseconds: user and system, all threads.
    pub cpu_us: f64,
    /// The peer's.
    pub peer_cpu_us: f64,
    /// System calls per request, as the driver counts them.
    pub calls: f64,
    /// Latency in microseconds: from before `send` until the answer is received.
    pub p50_us: f64,
    /// One request in a hundred takes longer.
    pub p99_us: f64,
    /// One request in a thousand takes longer.
    pub p999_us: f64,
}
