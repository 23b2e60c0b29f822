//! Where the benchmark runs.

use std::fs;

use crate::{cpu, results::Machine};

/// This machine.
pub fn describe() -> Machine {
    let line = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpuinfo = line("/proc/cpuinfo");
    let processor = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let number = |path: &str| line(path).parse().unwrap_or(0);
    Machine {
        processor: processor.trim_start_matches([' ', '\t', ':']).to_owned(),
        processors: cpu::count(),
        kernel: line("/proc/sys/kernel/osrelease"),
        driver: ktli_uring::describe(),
        congestion_control: line("/proc/sys/net/ipv4/tcp_congestion_control"),
        buffer_caps: [number("/proc/sys/net/core/wmem_max"), number("/proc/sys/net/core/rmem_max")],
    }
}
