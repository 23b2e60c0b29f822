//! Made-up results for the tests.

use crate::results::{Interval, Machine, Operation, Point, Ratios, Results, Section, Side};

/// An interval of five per cent around a median.
pub fn interval(median: f64) -> Interval {
    Interval { median, low: median * 0.95, high: median * 1.05 }
}

/// A point at which the driver's rate is `ahead` times the baseline's.
pub fn point(section: Section, operation: Operation, size: usize, outstanding: usize, ahead: f64) -> Point {
    let baseline = 40e3 * (outstanding as f64).powf(0.3) / (1.0 + size as f64 / 65536.0);
    let side = |rate: f64, calls| Side {
        rate,
        gigabytes: rate * size as f64 / 1e9,
        cpu_us: 1e6 / rate,
        peer_cpu_us: 0.5e6 / rate,
        calls,
        p50_us: outstanding as f64 * 1e6 / rate,
        p99_us: outstanding as f64 * 2.5e6 / rate,
        p999_us: outstanding as f64 * 6e6 / rate,
    };
    let less = interval(1.0 / ahead.powf(1.3));
    Point {
        section,
        operation,
        size,
        outstanding,
        connections: 1,
        driver: "ktli-uring".into(),
        baseline: "stock flow".into(),
        pairs: 12,
        requests: 20000,
        ratio: Ratios { rate: interval(ahead), cpu: less, p50: less, p99: less, p999: less },
        of_driver: side(baseline * ahead, 0.3),
        of_baseline: side(baseline, 4.0),
    }
}

/// A run in which all targets are met.
pub fn results() -> Results {
    let mut points = Vec::new();
    for operation in [Operation::Put, Operation::Get] {
        for outstanding in [1, 8, 32, 128] {
            for (index, size) in [0, 9, 12, 14, 16, 18, 20, 22].into_iter().enumerate() {
                let size = if size == 0 { 0 } else { 1 << size };
                let ahead = 1.15 + (1.4 - 0.04 * index as f64) * (outstanding as f64).log2() / 5.0;
                points.push(point(Section::Grid, operation, size, outstanding, ahead));
            }
        }
        for connections in [1, 10, 100, 1000] {
            let mut point = point(Section::Connections, operation, 4096, 1, 1.1);
            point.connections = connections;
            point.of_driver.cpu_us *= 1.0 + (connections as f64).log10() / 5.0;
            points.push(point);
        }
    }
    for driver in ["spin", "ktli-uring, 4 MiB read ahead"] {
        let point = point(Section::Drivers, Operation::Get, 4096, 1, 1.4);
        points.push(Point { driver: driver.into(), ..point });
    }
    Results {
        machine: Machine {
            processor: "Example 3000".into(),
            processors: 2,
            kernel: "6.12.0".into(),
            driver: "io_uring with all it wants".into(),
            congestion_control: "cubic".into(),
            buffer_caps: [212_992, 4_194_304],
        },
        plan: "full".into(),
        seconds: 3725.0,
        points,
    }
}
