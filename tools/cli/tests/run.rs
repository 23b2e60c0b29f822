//! Programs that run over the driver, and traces of them.

mod common;
mod compile;

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use common::{Bench, built, command, parse};
use compile::Workshop;
use serde_json::Value;

/// A program over the shared libkinetic, or `None` where the preload library is not built.
fn workshop() -> Option<(Workshop, PathBuf)> {
    if built("libktli_uring_preload.so").is_none() {
        eprintln!("skipped: the preload library is not built");
        return None;
    }
    let workshop = Workshop::new();
    workshop.library(&[]);
    let program = workshop.program(&["-Wl,-rpath,$ORIGIN"]);
    Some((workshop, program))
}

fn run<A: AsRef<OsStr>>(options: &[&str], program: &Path, arguments: impl IntoIterator<Item = A>) -> Output {
    command().arg("run").args(options).arg("--").arg(program).args(arguments).output().unwrap()
}

fn port(bench: &Bench) -> String {
    bench.drive.local_addr().port().to_string()
}

fn trace_of(file: &Path) -> Value {
    let output = command().args(["--json", "trace"]).arg(file).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    parse(&output.stdout)
}

/// The functions of a trace, in the order of their calls, with argument, result and errno.
fn calls(file: &Path) -> Vec<(String, i64, i64, i64)> {
    let output = command().args(["trace", "--calls"]).arg(file).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| words[index].parse().unwrap();
        (words[5].to_owned(), number(6), number(7), number(8))
    };
    text.lines().skip(1).map(line).collect()
}

#[test]
fn a_program_runs_over_the_driver() {
    let Some((workshop, program)) = workshop() else { return };
    // By itself it has the stock driver, which opens nothing.
    assert_eq!(Command::new(&program).status().unwrap().code(), Some(3));
    assert_eq!(run(&[], &program, [""; 0]).status.code(), Some(0));
    let bench = Bench::new();
    let output = run(&["--stats"], &program, [port(&bench)]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("ktli-uring: the connection to 127.0.0.1:") && said.contains("messages"), "{said}");
    // The library by option and by environment, and another preloaded library that stays.
    let library = built("libktli_uring_preload.so").unwrap();
    let moved = workshop.path("moved.so");
    fs::copy(&library, &moved).unwrap();
    assert_eq!(run(&["--preload", moved.to_str().unwrap()], &program, [""; 0]).status.code(), Some(0));
    let output = run(&["--preload", "/nowhere/moved.so"], &program, [""; 0]);
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    let shown = command()
        .args(["run", "--", "sh", "-c", "echo $LD_PRELOAD"])
        .env("LD_PRELOAD", &moved)
        .env("KTLI_URING_PRELOAD", &library)
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.ends_with(&format!("libktli_uring_preload.so:{}\n", moved.display())), "{shown}");
}

#[test]
fn options_become_variables() {
    let show = |options: &[&str]| {
        let output = run(options, Path::new("sh"), ["-c", "env | grep ^KTLI_URING_ | sort"]);
        String::from_utf8(output.stdout).unwrap()
    };
    if built("libktli_uring_preload.so").is_none() {
        return eprintln!("skipped: the preload library is not built");
    }
    assert_eq!(show(&[]), "");
    let all = [
        "--backend=socket",
        "--log=debug",
        "--sndbuf=1048576",
        "--rcvbuf=2097152",
        "--connect-timeout=1",
        "--send-timeout=2",
        "--linger=3",
        "--features=-sqpoll",
        "--framing=none",
        "--hangup=report",
        "--spin=4",
        "--sqpoll",
        "--sqpoll-idle=5",
        "--sqpoll-cpu=-1",
        "--send=loop",
        "--zc=16384",
        "--stats",
    ];
    let expected = "KTLI_URING_BACKEND=socket\nKTLI_URING_CONNECT_TIMEOUT=1\nKTLI_URING_FEATURES=-sqpoll\nKTLI_URING_FRAMING=none\n\
        KTLI_URING_HANGUP=report\nKTLI_URING_LINGER=3\nKTLI_URING_LOG=debug\nKTLI_URING_RCVBUF=2097152\n\
        KTLI_URING_SEND=loop\nKTLI_URING_SEND_TIMEOUT=2\nKTLI_URING_SNDBUF=1048576\nKTLI_URING_SPIN=4\n\
        KTLI_URING_SQPOLL=1\nKTLI_URING_SQPOLL_CPU=-1\nKTLI_URING_SQPOLL_IDLE=5\nKTLI_URING_STATS=1\n\
        KTLI_URING_ZC=16384\n";
    assert_eq!(show(&all), expected);
    for wrong in ["--backend=dpdk", "--sndbuf=5M", "--frob"] {
        assert_eq!(run(&[wrong], Path::new("true"), [""; 0]).status.code(), Some(2), "{wrong}");
    }
    // Every variable of the README is an option, or has one.
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let table = readme.lines().filter_map(|line| line.strip_prefix("| `KTLI_URING_")?.split('`').next());
    let missing: Vec<&str> = table
        .filter(|name| !expected.contains(&format!("KTLI_URING_{name}=")) && !["TRACE"].contains(name))
        .collect();
    assert_eq!(missing, [""; 0], "of the variables that the README names");
}

#[test]
fn the_exit_code_is_the_programs() {
    if built("libktli_uring_preload.so").is_none() {
        return eprintln!("skipped: the preload library is not built");
    }
    assert_eq!(run(&[], Path::new("sh"), ["-c", "exit 42"]).status.code(), Some(42));
    assert_eq!(run(&[], Path::new("no-such-program"), [""; 0]).status.code(), Some(127));
    assert_eq!(run(&[], Path::new("/etc/passwd"), [""; 0]).status.code(), Some(126));
    let output = run(&["--trace", "/nowhere/trace"], Path::new("true"), [""; 0]);
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    let workshop = Workshop::new();
    let program = workshop.compile("program", &["program.c", "libkinetic.c"], &[]);
    let output = run(&[], &program, [""; 0]);
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("static libkinetic"), "{output:?}");
}

#[test]
fn a_trace_holds_exactly_the_calls_that_were_made() {
    let Some((workshop, program)) = workshop() else { return };
    let bench = Bench::new();
    let file = workshop.path("trace");
    // Again over what is there: nothing of it stays.
    for backend in ["uring", "socket", "uring"] {
        if backend == "uring" && !command().arg("doctor").output().unwrap().status.success() {
            continue;
        }
        let options = ["--backend", backend, "--trace", file.to_str().unwrap()];
        let output = run(&options, &program, [port(&bench)]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let greeting: i64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        let made: Vec<_> = [
            ("open", 0, 0, 0),
            ("connect", 0, 0, 0),
            ("poll", 10000, 1, 0),
            ("receive", 9, 9, 0),
            ("receive", greeting, greeting, 0),
            ("poll", 20, 0, 0),
            ("send", 0, -1, 22),
            ("send", 9, 9, 0),
        ]
        .map(|(name, argument, result, errno)| (name.to_owned(), argument, result, errno))
        .into();
        assert_eq!(calls(&file), made);

        let said = trace_of(&file);
        assert_eq!(
            (&said["calls"], &said["lost"], &said["cut"]),
            (&8.into(), &0.into(), &false.into()),
            "{said}"
        );
        let poll =
            said["functions"].as_array().unwrap().iter().find(|line| line["function"] == "poll").unwrap();
        assert_eq!((&poll["calls"], &poll["failed"]), (&2.into(), &0.into()));
        // The one that found nothing took its 20 ms.
        assert!(poll["max_us"].as_f64().unwrap() >= 20_000.0, "{poll}");
        let session = &said["sessions"][0];
        assert_eq!((&session["sent"], &session["received"]), (&1.into(), &1.into()), "{session}");
        assert!(session["for_program_seconds"].as_f64().unwrap() >= 0.02, "{session}");
        assert_eq!(said["failures"][0]["text"], "Invalid argument (os error 22)");
        assert_eq!(said["sessions"].as_array().unwrap().len(), 1);
    }
    let svg = workshop.path("timeline.svg");
    let output = command().arg("trace").arg(&file).arg("--svg").arg(&svg).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.starts_with("8 calls in ") && said.contains("the receiver waited for the program"),
        "{said}"
    );
    let drawing = fs::read_to_string(&svg).unwrap();
    assert!(
        drawing.starts_with("<svg ") && drawing.contains("poll") && drawing.contains("<rect "),
        "{drawing}"
    );
}

#[test]
fn a_killed_program_leaves_a_readable_trace() {
    let Some((workshop, program)) = workshop() else { return };
    let bench = Bench::new();
    let file = workshop.path("trace");
    let mut child = command()
        .args(["run", "--trace"])
        .arg(&file)
        .arg("--")
        .arg(&program)
        .args([port(&bench).as_str(), "stay"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // Eight calls, and then the program waits.
    common::wait_until(|| {
        let output = command().args(["--json", "trace"]).arg(&file).output().unwrap();
        output.status.success() && parse(&output.stdout)["calls"] == 8
    });
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    assert_eq!(calls(&file).len(), 8);
    // Cut in the middle of a call.
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 20]).unwrap();
    assert_eq!(calls(&file).len(), 7);
    assert_eq!(trace_of(&file)["cut"], true);
}

#[test]
fn programs_share_a_trace_and_threads_are_told_apart() {
    let Some((workshop, program)) = workshop() else { return };
    let bench = Bench::new();
    let file = workshop.path("trace");
    let script = "\"$0\" \"$1\" & \"$0\" \"$1\" & wait";
    let output = command()
        .args(["run", "--trace"])
        .arg(&file)
        .args(["--", "sh", "-c", script])
        .arg(&program)
        .arg(port(&bench))
        .current_dir("/")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = trace_of(&file);
    let sessions = said["sessions"].as_array().unwrap();
    assert_eq!((sessions.len(), &said["calls"]), (2, &16.into()), "{said}");
    assert_ne!(sessions[0]["process"], sessions[1]["process"]);
    assert_eq!(sessions[0]["senders"], sessions[0]["receivers"]);
}

#[test]
fn what_is_no_trace_is_told() {
    let workshop = Workshop::new();
    let file = workshop.path("trace");
    fs::write(&file, "something else, and long enough to be a header").unwrap();
    for path in [file.as_path(), Path::new("/nowhere/trace")] {
        let output = command().arg("trace").arg(path).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
    }
    // A program that made no call.
    fs::write(&file, "").unwrap();
    assert_eq!(trace_of(&file)["calls"], 0);
    assert!(
        command().arg("trace").arg(&file).arg("--svg").arg(workshop.path("svg")).status().unwrap().success()
    );
}

#[test]
fn completions_and_manual_pages_are_generated() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = command().args(["completions", shell]).output().unwrap();
        assert!(
            output.status.success() && String::from_utf8(output.stdout).unwrap().contains("doctor"),
            "{shell}"
        );
    }
    let page = command().arg("man").output().unwrap();
    assert!(String::from_utf8(page.stdout).unwrap().contains(".TH ktli-uring 1"));
    let workshop = Workshop::new();
    assert!(command().arg("man").arg(workshop.path(".")).status().unwrap().success());
    for page in ["ktli-uring.1", "ktli-uring-put.1", "ktli-uring-doctor.1"] {
        assert!(workshop.path(page).is_file(), "{page}");
    }
}

#[test]
fn the_benchmark_is_at_hand() {
    if built("ktli-bench").is_none() {
        return eprintln!("skipped: ktli-bench is not built");
    }
    let help = command().args(["bench", "run", "--help"]).output().unwrap();
    assert!(String::from_utf8(help.stdout).unwrap().contains("--quick"));
}
