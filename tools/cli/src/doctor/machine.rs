//! Kernel, permissions and limits.

use super::{Check, Feature, Proc, Verdict};

/// All that decides whether the driver can use io_uring.
pub fn checks(proc: Proc<'_>, driver: &str, io_uring: bool, known: &[Feature]) -> Vec<Check> {
    let mut checks = vec![kernel(proc), uring(driver, io_uring)];
    checks.extend(features(known));
    // What may stand in the way does so only if it does.
    let suspect = if io_uring { Verdict::Note } else { Verdict::Bad };
    checks.push(sysctl(proc, suspect));
    checks.push(seccomp(proc, suspect));
    checks.extend(memory(proc));
    checks.extend(files(proc));
    checks.push(processors());
    checks
}

/// Major and minor number.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn kernel(proc: Proc<'_>) -> Check {
    let release = proc.text("sys/kernel/osrelease").unwrap_or_default();
    let found = format!("Linux {release}");
    match version(&release) {
        Some(version) if version >= (6, 1) => Check::new("kernel", Verdict::Good, found),
        Some(version) if version >= (5, 13) => Check::new("kernel", Verdict::Note, found)
            .advise("from 6.1 on a cancelled send tells how far it got, and completions interrupt nobody"),
        Some(_) => Check::new("kernel", Verdict::Bad, found).advise("io_uring needs 5.13 or later here"),
        None => Check::new("kernel", Verdict::Note, "unknown"),
    }
}

fn uring(driver: &str, io_uring: bool) -> Check {
    match driver.split_once(": ") {
        Some(("io_uring", features)) => Check::new("io_uring", Verdict::Good, features),
        Some((_, why)) => Check::new("io_uring", Verdict::Bad, why),
        None if io_uring => Check::new("io_uring", Verdict::Good, driver),
        None => Check::new("io_uring", Verdict::Bad, driver)
            .advise("unset KTLI_URING_BACKEND, or set it to auto, to have io_uring tried"),
    }
}

/// Those of io_uring, where there are rings.
fn features(known: &[Feature]) -> Option<Check> {
    let names = |usable: bool| {
        let some = known.iter().filter(|feature| feature.usable == usable);
        some.map(|feature| {
            if usable { feature.name.into() } else { format!("{} (Linux {})", feature.name, feature.since) }
        })
        .collect::<Vec<String>>()
        .join(", ")
    };
    let name = "features";
    let missing = names(false);
    match known {
        [] => None,
        _ if missing.is_empty() => Some(Check::new(name, Verdict::Good, format!("all: {}", names(true)))),
        _ => Some(
            Check::new(name, Verdict::Note, format!("without {missing}; with {}", names(true)))
                .advise("docs/kernel-features.md tells what happens without them"),
        ),
    }
}

/// Whether the kernel takes over TLS, or why not.
pub fn kernel_tls(answer: Result<(), String>) -> Check {
    let name = "kernel TLS";
    match answer {
        Ok(()) => {
            Check::new(name, Verdict::Good, "connections over TLS with ChaCha20-Poly1305 are the kernel's")
        }
        Err(why) => Check::new(name, Verdict::Note, format!("connections over TLS are the driver's: {why}"))
            .advise("modprobe tls loads it where the kernel has it"),
    }
}

fn sysctl(proc: Proc<'_>, suspect: Verdict) -> Check {
    let name = "io_uring_disabled";
    let group = proc.text("sys/kernel/io_uring_group").unwrap_or_else(|| "-1".into());
    match proc.text("sys/kernel/io_uring_disabled").as_deref() {
        Some("0") => Check::new(name, Verdict::Good, "0: everybody may use io_uring"),
        Some("1") => Check::new(
            name,
            suspect,
            format!(
                "1: only the group of kernel.io_uring_group ({group}) and CAP_SYS_ADMIN may use io_uring"
            ),
        )
        .advise("sysctl kernel.io_uring_disabled=0, or make the user a member of that group"),
        Some("2") => Check::new(name, Verdict::Bad, "2: nobody may use io_uring")
            .advise("sysctl kernel.io_uring_disabled=0"),
        Some(other) => Check::new(name, Verdict::Note, other),
        None => {
            Check::new(name, Verdict::Good, "no such sysctl (before Linux 6.6): everybody may use io_uring")
        }
    }
}

/// A line of a file with a name, a colon and a value in each.
fn line(text: &str, name: &str) -> Option<String> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(rest.trim_start_matches(':').trim().to_owned())
}

fn seccomp(proc: Proc<'_>, suspect: Verdict) -> Check {
    let status = proc.text("self/status").unwrap_or_default();
    match line(&status, "Seccomp:").as_deref() {
        Some("0") => Check::new("seccomp", Verdict::Good, "no filter"),
        Some("2") => Check::new("seccomp", suspect, "a filter is in force, as containers have by default")
            .advise(
                "it has to allow io_uring_setup, io_uring_enter and io_uring_register, \
             as docker run --security-opt seccomp=PROFILE does with a profile that lists them",
            ),
        Some(mode) => Check::new("seccomp", suspect, format!("mode {mode}")),
        None => Check::new("seccomp", Verdict::Note, "unknown"),
    }
}

/// The soft limit of a resource as /proc/self/limits has it.
fn limit(proc: Proc<'_>, name: &str) -> Option<String> {
    let limits = proc.text("self/limits")?;
    Some(line(&limits, name)?.split_whitespace().next()?.to_owned())
}

fn memory(proc: Proc<'_>) -> Option<Check> {
    let limit = limit(proc, "Max locked memory")?;
    let bytes = limit.parse::<u64>();
    let found = bytes.as_ref().map_or_else(|_| limit.clone(), |bytes| format!("{} KiB", bytes >> 10));
    // Rings are charged to it on kernels before 5.12; messages without a copy are on all.
    Some(if bytes.is_ok_and(|bytes| bytes < 1 << 20) {
        Check::new("locked memory", Verdict::Note, found)
            .advise("ulimit -l: matters with KTLI_URING_ZC, whose messages count as locked memory while they are sent")
    } else {
        Check::new("locked memory", Verdict::Good, found)
    })
}

fn files(proc: Proc<'_>) -> Option<Check> {
    let limit = limit(proc, "Max open files")?;
    // A socket, an eventfd and two rings.
    let sessions = limit.parse::<u64>().ok()? / 4;
    Some(if sessions < 64 {
        Check::new("open files", Verdict::Warning, format!("{limit}: enough for some {sessions} connections"))
            .advise("raise it with ulimit -n; a connection takes up to four")
    } else {
        Check::new("open files", Verdict::Good, format!("{limit}: enough for some {sessions} connections"))
    })
}

fn processors() -> Check {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    match count {
        1 => Check::new("processors", Verdict::Note, "1: sender and receiver take turns"),
        2 | 3 => {
            Check::new("processors", Verdict::Good, format!("{count}: too few for KTLI_URING_SQPOLL to pay"))
        }
        _ => Check::new("processors", Verdict::Good, count.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// Looks at a machine whose files are given, and gives each check's verdict, found text and advice.
    fn look(files: &[(&str, &str)], io_uring: bool) -> Vec<(&'static str, Verdict, String)> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let driver = if io_uring { "io_uring: FLAGS" } else { "plain system calls: refused" };
        let checks = checks(Proc(root.path()), driver, io_uring, &[]);
        let text = |check: &Check| format!("{} {}", check.found, check.advice.clone().unwrap_or_default());
        checks.iter().map(|check| (check.name, check.verdict, text(check))).collect()
    }

    fn one(files: &[(&str, &str)], io_uring: bool, name: &str) -> (Verdict, String) {
        let (_, verdict, text) =
            look(files, io_uring).into_iter().find(|(known, ..)| *known == name).unwrap();
        (verdict, text)
    }

    #[test]
    fn kernels_are_told_apart() {
        for (release, verdict) in [
            ("6.18.5-fc-v18\n", Verdict::Good),
            ("6.1.0-32-amd64", Verdict::Good),
            ("5.15.0", Verdict::Note),
            ("5.10.1", Verdict::Bad),
            ("4.19", Verdict::Bad),
            ("strange", Verdict::Note),
        ] {
            assert_eq!(one(&[("sys/kernel/osrelease", release)], true, "kernel").0, verdict, "{release}");
        }
    }

    #[test]
    fn the_sysctl_is_blamed_with_what_to_do() {
        let sysctl = |value, io_uring| {
            let files = [("sys/kernel/io_uring_disabled", value), ("sys/kernel/io_uring_group", "1234\n")];
            one(&files, io_uring, "io_uring_disabled")
        };
        assert_eq!(sysctl("0\n", false).0, Verdict::Good);
        let (verdict, text) = sysctl("1\n", false);
        assert_eq!(verdict, Verdict::Bad);
        assert!(text.contains("(1234)") && text.contains("kernel.io_uring_disabled=0"), "{text}");
        assert_eq!(sysctl("1\n", true).0, Verdict::Note);
        assert_eq!(sysctl("2\n", false).0, Verdict::Bad);
        assert_eq!(one(&[], false, "io_uring_disabled").0, Verdict::Good);
    }

    #[test]
    fn a_filter_is_blamed_only_where_io_uring_is_refused() {
        let files = [("self/status", "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n")];
        assert_eq!(one(&files, true, "seccomp").0, Verdict::Note);
        let (verdict, text) = one(&files, false, "seccomp");
        assert_eq!(verdict, Verdict::Bad);
        assert!(text.contains("io_uring_register"), "{text}");
        assert_eq!(one(&[("self/status", "Seccomp:\t0\n")], false, "seccomp").0, Verdict::Good);
    }

    #[test]
    fn limits_are_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            128                  4096                 files\n\
                      Max locked memory         65536                65536                bytes\n";
        let files = [("self/limits", limits)];
        assert_eq!(one(&files, true, "open files").0, Verdict::Warning);
        let (verdict, text) = one(&files, true, "locked memory");
        assert_eq!(verdict, Verdict::Note);
        assert!(text.starts_with("64 KiB "), "{text}");
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let checks = checks(Proc(Path::new("/proc")), "io_uring: FLAGS", true, &[]);
        assert_eq!(checks.len(), 7, "{checks:?}");
    }

    #[test]
    fn missing_features_come_first() {
        let feature = |name, usable| Feature { name, since: "6.1", usable };
        let check = features(&[feature("a", true), feature("b", false)]).unwrap();
        assert_eq!((check.verdict, check.found.as_str()), (Verdict::Note, "without b (Linux 6.1); with a"));
        assert_eq!(features(&[feature("a", true)]).unwrap().found, "all: a");
        assert!(features(&[]).is_none());
    }
}
