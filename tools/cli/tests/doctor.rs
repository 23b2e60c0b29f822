//! What the doctor says of this machine, and of programs.

mod common;
mod compile;

use std::{
    path::Path,
    process::{Command, Output},
};

use common::{command, parse};
use compile::Workshop;
use serde_json::Value;

fn examine(program: &Path, change: impl FnOnce(&mut Command)) -> (i32, Value) {
    let mut command = command();
    command.args(["--json", "doctor", "--program"]).arg(program).env_remove("LD_LIBRARY_PATH");
    change(&mut command);
    let output = command.output().unwrap();
    (output.status.code().unwrap(), parse(&output.stdout))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_program_over_the_shared_libkinetic_can_be_preloaded() {
    let workshop = Workshop::new();
    workshop.library(&[]);
    // Found in each of the ways in which the loader does.
    for flags in [
        &["-Wl,-rpath,$ORIGIN"][..],
        &["-Wl,-rpath,$ORIGIN", "-Wl,--disable-new-dtags"],
        &["-no-pie", "-s", "-Wl,-rpath,$ORIGIN"],
    ] {
        let program = workshop.program(flags);
        let (code, said) = examine(&program, |_| {});
        assert_eq!((code, &said["way"]), (0, &"preload".into()), "{flags:?} {said}");
        assert!(said["because"][0].as_str().unwrap().contains("libkinetic.so"), "{said}");
    }
    let program = workshop.program(&[]);
    let (code, said) = examine(&program, |command| {
        command.env("LD_LIBRARY_PATH", workshop.folder());
    });
    assert_eq!((code, &said["way"]), (0, &"preload".into()), "{said}");
    // Nowhere: the loader would not find it either.
    let (code, said) = examine(&program, |_| {});
    assert_eq!(
        (code, &said["way"], &said["missing"][0]),
        (9, &"no_trace".into(), &"libkinetic.so".into()),
        "{said}"
    );

    let output = command()
        .args(["doctor", "--program"])
        .arg(&program)
        .env("LD_LIBRARY_PATH", workshop.folder())
        .output();
    let said = text(&output.unwrap());
    assert!(said.starts_with("good ") && said.contains("ktli-uring run -- "), "{said}");
}

#[test]
fn a_library_that_the_program_loads_itself_is_named() {
    let workshop = Workshop::new();
    let library = workshop.library(&[]);
    let program = workshop.compile("refuse", &["refuse.c"], &[]);
    let (code, said) = examine(&program, |_| {});
    assert_eq!((code, &said["way"]), (9, &"no_trace".into()), "{said}");
    let (code, said) = examine(&program, |command| {
        command.arg("--plugin").arg(&library);
    });
    assert_eq!((code, &said["way"]), (0, &"preload".into()), "{said}");
}

#[test]
fn a_program_with_the_static_libkinetic_has_to_be_linked_anew() {
    let workshop = Workshop::new();
    // As it comes, without a loader, and with its names exported.
    for flags in [&[][..], &["-static"], &["-rdynamic"], &["-rdynamic", "-s"], &["-no-pie"]] {
        let program = workshop.compile("program", &["program.c", "libkinetic.c"], flags);
        let (code, said) = examine(&program, |_| {});
        assert_eq!((code, &said["way"]), (8, &"relink".into()), "{flags:?} {said}");
    }
    let output = command().args(["doctor", "-p"]).arg(workshop.path("program")).output().unwrap();
    assert_eq!(output.status.code(), Some(8));
    assert!(text(&output).contains("-Wl,--defsym=socket_fns=uring_fns"), "{output:?}");
    // Stripped, nothing can be told.
    let program = workshop.compile("program", &["program.c", "libkinetic.c"], &["-s"]);
    let (code, said) = examine(&program, |_| {});
    assert_eq!((code, &said["way"]), (9, &"no_trace".into()), "{said}");
    assert!(said["because"][1].as_str().unwrap().contains("stripped"), "{said}");
}

#[test]
fn a_library_that_looks_into_itself_cannot_be_preloaded_over() {
    let workshop = Workshop::new();
    for flags in [&["-Wl,-Bsymbolic"][..], &["-DHIDDEN"]] {
        workshop.library(flags);
        let program = workshop.program(&["-Wl,-rpath,$ORIGIN"]);
        let (code, said) = examine(&program, |_| {});
        assert_eq!((code, &said["way"]), (8, &"relink".into()), "{flags:?} {said}");
        assert!(said["because"][0].as_str().unwrap().contains("libkinetic.so"), "{said}");
    }
}

#[test]
fn a_program_that_was_linked_with_this_driver_needs_nothing() {
    let workshop = Workshop::new();
    let stub = workshop.path("stub.c");
    std::fs::write(&stub, "void *uring_fns[7];").unwrap();
    let library = workshop.path("kinetic.c");
    std::fs::write(
        &library,
        "extern void *socket_fns[7]; void *find_driver(int id) { return id ? socket_fns : 0; }",
    )
    .unwrap();
    let sources = [library.to_str().unwrap(), stub.to_str().unwrap()];
    let program = workshop.compile(
        "program",
        &["program.c"],
        &[sources[0], sources[1], "-Wl,--defsym=socket_fns=uring_fns"],
    );
    let (code, said) = examine(&program, |_| {});
    assert_eq!((code, &said["way"]), (0, &"already".into()), "{said}");
}

#[test]
fn what_is_no_program_is_told() {
    let workshop = Workshop::new();
    let script = workshop.path("script");
    std::fs::write(&script, "#!/bin/sh\n").unwrap();
    for (program, said) in [
        (script.as_path(), "script for /bin/sh"),
        (Path::new("/nowhere/fio"), "no such program"),
        (Path::new("no-such-program"), "no such program"),
        (Path::new("/etc/passwd"), "/etc/passwd: "),
    ] {
        let output = command().args(["doctor", "--program"]).arg(program).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(said), "{output:?}");
    }
}

#[test]
fn the_machine_is_looked_at() {
    let output = command().args(["--json", "doctor"]).output().unwrap();
    let said = parse(&output.stdout);
    let io_uring = said["io_uring"].as_bool().unwrap();
    assert_eq!(output.status.code(), Some(if io_uring { 0 } else { 7 }));
    let names: Vec<&str> =
        said["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    for name in [
        "kernel",
        "io_uring",
        "io_uring_disabled",
        "seccomp",
        "locked memory",
        "send buffer",
        "receive buffer",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    if io_uring {
        // What is switched off is missing.
        let output =
            command().args(["--json", "doctor"]).env("KTLI_URING_FEATURES", "-sendmsg_zc").output().unwrap();
        let said = parse(&output.stdout);
        let features = said["features"].as_array().unwrap();
        let usable =
            |name: &str| features.iter().find(|feature| feature["name"] == name).unwrap()["usable"].clone();
        assert_eq!((usable("sendmsg_zc"), usable("sendmsg")), (false.into(), true.into()));
    }
    let output = command().arg("doctor").output().unwrap();
    // No colours: it is no terminal.
    assert!(
        !text(&output).contains('\x1b') && text(&output).contains("New connections will use "),
        "{output:?}"
    );
}

#[test]
fn a_refused_io_uring_is_explained() {
    let workshop = Workshop::new();
    let refuse = workshop.compile("refuse", &["refuse.c"], &[]);
    let output = Command::new(refuse)
        .arg(env!("CARGO_BIN_EXE_ktli-uring"))
        .args(["--json", "doctor"])
        .output()
        .unwrap();
    if output.status.code() == Some(77) {
        return eprintln!("skipped: no seccomp filters here");
    }
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let said = parse(&output.stdout);
    assert_eq!(said["io_uring"], false);
    let checks = said["checks"].as_array().unwrap();
    let verdict = |name: &str| &checks.iter().find(|check| check["name"] == name).unwrap()["verdict"];
    assert_eq!((verdict("io_uring"), verdict("seccomp")), (&"bad".into(), &"bad".into()), "{said}");

    let output = command().arg("doctor").env("KTLI_URING_BACKEND", "socket").output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(text(&output).contains("unset KTLI_URING_BACKEND"), "{output:?}");
}
