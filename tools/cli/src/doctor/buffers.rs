//! Socket buffers: what is asked for, and what the kernel allows.

use super::{Check, Proc, Verdict};

/// Both buffers, and the congestion control.
pub fn checks(proc: Proc<'_>, send: u64, receive: u64) -> Vec<Check> {
    let mut checks = vec![
        buffer(proc, "send buffer", "wmem", "KTLI_URING_SNDBUF", send),
        buffer(proc, "receive buffer", "rmem", "KTLI_URING_RCVBUF", receive),
    ];
    if let Some(algorithm) = proc.text("sys/net/ipv4/tcp_congestion_control") {
        let there = proc.text("sys/net/ipv4/tcp_available_congestion_control").unwrap_or_default();
        let found = format!("{algorithm} (there are: {there})");
        checks.push(Check::new("congestion control", Verdict::Good, found));
    }
    checks
}

/// The driver's rule (src/connect.rs): it asks unless the cap makes the answer less than the kernel's tuning gives.
fn buffer(proc: Proc<'_>, name: &'static str, which: &str, option: &str, wanted: u64) -> Check {
    let sysctl = format!("net.core.{which}_max");
    let (Some(cap), Some(tuning)) = (
        proc.numbers(&format!("sys/net/core/{which}_max")).first().copied(),
        proc.numbers(&format!("sys/net/ipv4/tcp_{which}")).get(2).copied(),
    ) else {
        return Check::new(
            name,
            Verdict::Note,
            format!("{option} asks for {}, limits unknown", size(wanted)),
        );
    };
    if wanted <= cap {
        return Check::new(name, Verdict::Good, format!("{} asked for, as {sysctl} allows", size(wanted)));
    }
    let left =
        format!("left to the kernel's tuning (up to {}), which beats {sysctl} ({})", size(tuning), size(cap));
    // The kernel doubles what is asked for.
    if 2 * cap < tuning && tuning >= 2 * wanted {
        return Check::new(name, Verdict::Good, left);
    }
    let found = if 2 * cap >= tuning {
        format!("{} asked for, {} given: {sysctl}", size(wanted), size(cap))
    } else {
        left
    };
    Check::new(name, Verdict::Warning, found)
        .advise(format!("sysctl {sysctl}={wanted}, for drives that are far away"))
}

fn size(bytes: u64) -> String {
    if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 18) {
        format!("{} MiB", bytes as f64 / f64::from(1 << 20))
    } else {
        format!("{} KiB", bytes >> 10)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn send_buffer(cap: Option<&str>, tuning: &str) -> (Verdict, String) {
        let root = tempfile::tempdir().unwrap();
        for folder in ["sys/net/core", "sys/net/ipv4"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        if let Some(cap) = cap {
            fs::write(root.path().join("sys/net/core/wmem_max"), cap).unwrap();
        }
        fs::write(root.path().join("sys/net/ipv4/tcp_wmem"), tuning).unwrap();
        let checks = checks(Proc(root.path()), 5 << 20, 5 << 20);
        (checks[0].verdict, format!("{} {}", checks[0].found, checks[0].advice.clone().unwrap_or_default()))
    }

    #[test]
    fn the_cap_decides() {
        assert_eq!(send_buffer(Some("5242880\n"), "4096 16384 4194304\n").0, Verdict::Good);
        let (verdict, text) = send_buffer(Some("4194304"), "4096\t16384\t4194304");
        assert_eq!(verdict, Verdict::Warning);
        assert!(text.contains("4 MiB given") && text.contains("net.core.wmem_max=5242880"), "{text}");
        let (verdict, text) = send_buffer(Some("212992"), "4096 16384 4194304");
        assert_eq!(verdict, Verdict::Warning);
        assert!(text.contains("left to the kernel") && text.contains("208 KiB"), "{text}");
        assert_eq!(send_buffer(Some("212992"), "4096 16384 10485760").0, Verdict::Good);
        assert_eq!(send_buffer(None, "4096 16384 4194304").0, Verdict::Note);
    }
}
