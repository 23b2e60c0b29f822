//! What is asked of a drive: ping, put, get, delete, range, info.

mod common;

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    num::NonZeroU64,
    process::{Command, Stdio},
};

use common::{Bench, Raw, built, bytes, command, feed, parse};
use kinetic_drive::{
    Config, Faults, Identity,
    protocol::{Algorithm, KeyValue, MessageType},
};
use serde_json::json;

#[test]
fn a_value_goes_there_and_back_and_away() {
    let bench = Bench::new();
    let directory = tempfile::tempdir().unwrap();
    let (source, target) = (directory.path().join("source"), directory.path().join("target"));
    for size in [0, 1, 5000, 1 << 20] {
        fs::write(&source, bytes(size)).unwrap();
        let said = bench.text(["put".as_ref(), "a key".as_ref(), source.as_os_str()]);
        assert_eq!(said, format!("a key: {size} bytes\n"));
        bench.text(["get".as_ref(), "a key".as_ref(), target.as_os_str()]);
        assert_eq!(fs::read(&target).unwrap(), bytes(size));
        assert_eq!(bench.run(["get", "a key"]).stdout, bytes(size));
    }
    assert_eq!(bench.text(["delete", "a key"]), "");
    fs::remove_file(&target).unwrap();
    let text = bench.fails(3, ["get".as_ref(), "a key".as_ref(), target.as_os_str()]);
    assert!(text.contains("NotFound"), "{text}");
    assert!(!target.exists());
    bench.fails(3, ["delete", "a key"]);
    bench.text(["delete", "--force", "a key"]);
}

#[test]
fn values_come_from_stdin_and_show_up_in_json() {
    let bench = Bench::new();
    let output = feed(bench.command().args(["--json", "put", "k"]), b"text");
    assert!(output.status.success());
    assert_eq!(parse(&output.stdout), json!({ "key": "k", "key_hex": "6b", "bytes": 4 }));
    assert_eq!(bench.json(["get", "k"]), json!({ "key": "k", "key_hex": "6b", "bytes": 4, "value": "text" }));
    feed(bench.command().args(["put", "--hex", "00ff", "-"]), b"\xff\x00");
    assert_eq!(
        bench.json(["get", "--hex", "00ff"]),
        json!({ "key_hex": "00ff", "bytes": 2, "value_hex": "ff00" })
    );
    assert_eq!(bench.json(["delete", "k"]), json!({ "deleted": [{ "key": "k", "key_hex": "6b" }] }));
}

#[test]
fn a_value_that_is_too_large_is_refused_or_split() {
    // A drive may answer in any order.
    let faults = Faults { reorder: NonZeroU64::new(4), ..Faults::default() };
    let bench = Bench::with(Config { max_value_size: 1000, faults, ..Config::default() });
    let directory = tempfile::tempdir().unwrap();
    let (source, target) = (directory.path().join("source"), directory.path().join("target"));
    let get = ["get".as_ref(), "--split".as_ref(), "k".as_ref(), target.as_os_str()];
    fs::write(&source, bytes(1001)).unwrap();
    let text = bench.fails(6, ["put".as_ref(), "k".as_ref(), source.as_os_str()]);
    assert!(text.contains("up to 1000") && text.contains("--split"), "{text}");
    assert_eq!(feed(bench.command().args(["put", "k"]), &bytes(1001)).status.code(), Some(6));
    // Nothing was stored, and what fits is.
    bench.fails(3, ["get", "k"]);
    assert!(feed(bench.command().args(["put", "k"]), &bytes(1000)).status.success());

    // 41 pieces, more than are outstanding at a time; then fewer of them, and none.
    for (size, pieces) in [(40_001, 41), (1000, 1), (1001, 2), (0, 0)] {
        fs::write(&source, bytes(size)).unwrap();
        let said = bench.json(["put".as_ref(), "--split".as_ref(), "k".as_ref(), source.as_os_str()]);
        assert_eq!((&said["bytes"], &said["pieces"]), (&json!(size), &json!(pieces)));
        assert!(bench.run(get).status.success());
        assert_eq!(fs::read(&target).unwrap(), bytes(size));
        // The pieces of the value before are gone.
        assert_eq!(bench.text(["range"]).lines().count(), pieces + 1);
    }
    assert!(feed(bench.command().args(["put", "--split", "k"]), &bytes(2500)).status.success());
    assert_eq!(bench.run(["get", "--split", "k"]).stdout, bytes(2500));
    bench.text(["delete", "--split", "k"]);
    assert_eq!(bench.text(["range"]), "");

    feed(bench.command().args(["put", "k"]), b"whole");
    let text = bench.fails(1, ["get", "--split", "k"]);
    assert!(text.contains("was not put with --split"), "{text}");
}

#[test]
fn a_missing_piece_is_told() {
    let bench = Bench::with(Config { max_value_size: 1000, ..Config::default() });
    feed(bench.command().args(["put", "--split", "k"]), &bytes(3000));
    let second = bench.text(["range", "k/"]).lines().nth(1).unwrap().to_owned();
    bench.text(["delete", &second]);
    assert_eq!(bench.run(["get", "--split", "k"]).status.code(), Some(3));
}

#[test]
fn keys_are_listed_in_pages_and_in_both_directions() {
    let bench = Bench::new();
    // More than one answer holds.
    let keys: Vec<String> = (0..1700).map(|number| format!("k{number:04}")).collect();
    fill(&bench, &keys);
    assert_eq!(bench.text(["range"]).lines().collect::<Vec<_>>(), keys);
    let reversed: Vec<&String> = keys.iter().rev().collect();
    assert_eq!(bench.text(["range", "--reverse", "k"]).lines().collect::<Vec<_>>(), reversed);
    assert_eq!(bench.text(["range", "k044"]).lines().collect::<Vec<_>>(), keys[440..450]);
    let said = bench.text(["range", "--start", "k0100", "--end", "k0400"]);
    assert_eq!(said.lines().collect::<Vec<_>>(), keys[100..=400]);
    let said = bench.json(["range", "--max", "2"]);
    let shown = |number: usize| json!({ "key": keys[number], "key_hex": format!("6b303030{}", 30 + number) });
    assert_eq!(said, json!({ "keys": [shown(0), shown(1)], "more": true }));
    assert_eq!(bench.json(["range", "--max", "1700"])["more"], false);
    assert_eq!(bench.text(["range", "x"]), "");
    assert_eq!(bench.text(["range", "--hex", "6b30303030"]), "6b30303030\n");
}

/// Stores keys, without a process for each.
fn fill(bench: &Bench, keys: &[String]) {
    let mut client = Raw::connect(&bench.drive);
    for key in keys {
        let request = client.builder.put(key.as_bytes(), 0);
        client.ask(&request, b"");
    }
}

#[test]
fn ping_counts_answers() {
    let bench = Bench::new();
    let said = bench.text(["ping", "-c", "3", "-i", "0"]);
    assert_eq!(said.lines().count(), 5, "{said}");
    assert!(said.contains("answer 3 in "), "{said}");
    let said = bench.json(["ping", "-c", "2", "-i", "0"]);
    assert_eq!(said["answers"], 2);
    assert_eq!(said["times_ms"].as_array().unwrap().len(), 2);
    assert!(said["min_ms"].as_f64().unwrap() <= said["mean_ms"].as_f64().unwrap());
    assert!(said["mean_ms"].as_f64().unwrap() <= said["max_ms"].as_f64().unwrap());
}

#[test]
fn info_tells_what_the_drive_is() {
    let bench = Bench::with(Config { max_value_size: 1234, ..Config::default() });
    feed(bench.command().args(["put", "k"]), b"12345");
    let said = bench.json(["info", "--messages"]);
    assert_eq!(said["limits"]["value_bytes"], 1234);
    assert_eq!(said["configuration"]["port"], bench.drive.local_addr().port());
    assert_eq!(said["statistics"]["Put"]["count"], 1);
    assert_eq!(said["statistics"]["Put"]["bytes"], 5);
    assert!(said["capacity"]["bytes"].is_u64() && said["messages"].is_string(), "{said}");
    let said = bench.text(["info"]);
    assert!(said.contains("limits\n") && said.contains("value bytes              1234\n"), "{said}");
}

#[test]
fn identity_and_secret_come_from_file_or_environment() {
    let secret = b"open sesame".to_vec();
    let bench =
        Bench::with(Config { identities: vec![Identity { id: 7, key: secret }], ..Config::default() });
    let directory = tempfile::tempdir().unwrap();
    let (right, wrong) = (directory.path().join("right"), directory.path().join("wrong"));
    fs::write(&right, b"open sesame\n").unwrap();
    fs::write(&wrong, b"close sesame\n").unwrap();
    let ping = |file| -> Vec<std::ffi::OsString> {
        vec!["ping".into(), "-c1".into(), "--identity".into(), "7".into(), "--secret-file".into(), file]
    };
    bench.text(ping(right.clone().into()));
    let text = bench.fails(5, ping(wrong.into()));
    assert!(text.contains("secret"), "{text}");
    bench.fails(5, ["ping", "-c1"]);
    bench.fails(1, ping(directory.path().join("none").into()));
    let mut by_environment = bench.command();
    by_environment.env("KTLI_URING_SECRET", "open sesame").env("KTLI_URING_IDENTITY", "7");
    assert!(by_environment.args(["ping", "-c1"]).output().unwrap().status.success());
    // The file beats the environment.
    assert!(!by_environment.args(["--secret-file", "/dev/null"]).output().unwrap().status.success());
}

#[test]
fn no_drive_a_silent_one_and_a_lost_connection_are_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let silent = command().args(["ping", "-d", &address, "--timeout", "1"]).output().unwrap();
    assert_eq!(silent.status.code(), Some(4), "{silent:?}");
    assert!(String::from_utf8_lossy(&silent.stderr).contains("no answer in 1 s"), "{silent:?}");
    drop(listener);
    let refused = command().args(["ping", "-d", &address]).output().unwrap();
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("refused"), "{refused:?}");

    let faults = Faults { close_at: NonZeroU64::new(2), ..Faults::default() };
    let bench = Bench::with(Config { faults, ..Config::default() });
    let text = bench.fails(4, ["ping", "-i0"]);
    assert!(text.contains("closed the connection"), "{text}");
    // The driver's own words only for who wants them.
    let output = bench.command().args(["ping", "-i0"]).env("KTLI_URING_LOG", "warn").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 2, "{output:?}");
}

#[test]
fn a_damaged_value_is_told() {
    let bench = Bench::new();
    feed(bench.command().args(["put", "k"]), b"value");
    let mut client = Raw::connect(&bench.drive);
    let mut entry = client.get("k");
    assert_eq!(entry.algorithm, Some(Algorithm::Sha1.into()));
    entry.force = Some(true);
    let request = client.builder.key_value(MessageType::Put, entry, 5);
    client.ask(&request, b"volue");
    let text = bench.fails(1, ["get", "k"]);
    assert!(text.contains("damaged"), "{text}");
}

#[test]
fn an_entry_with_a_version_is_changed_only_by_force() {
    let bench = Bench::new();
    let mut client = Raw::connect(&bench.drive);
    let entry = KeyValue {
        key: Some("k".into()),
        new_version: Some("1".into()),
        tag: Some("t".into()),
        algorithm: Some(Algorithm::Sha1.into()),
        ..KeyValue::default()
    };
    let request = client.builder.key_value(MessageType::Put, entry, 1);
    client.ask(&request, b"v");
    // A tag that is no SHA-1 whatever it says is left alone.
    assert_eq!(bench.text(["get", "k"]), "v");
    let text = bench.fails(1, ["put", "k"]);
    assert!(text.contains("--force"), "{text}");
    bench.fails(1, ["delete", "k"]);
    bench.text(["put", "--force", "k"]);
    assert_eq!(bench.text(["get", "k"]), "");
}

#[test]
fn wrong_use_is_exit_code_2() {
    for wrong in
        [&["put"][..], &[], &["get", "--frob", "k"], &["ping", "-d", ":1"], &["range", "a", "--start", "b"]]
    {
        let output = command().args(wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
    let bench = Bench::new();
    bench.fails(1, ["get", "--hex", "xyz"]);
    let help = bench.text(["get", "--help"]);
    assert!(help.contains("Exit codes:") && !help.contains('\x1b'), "{help}");
}

#[test]
fn a_reader_that_has_gone_is_no_news() {
    let bench = Bench::new();
    fill(
        &bench,
        &(0..5000).map(|number| format!("a long key for a full pipe {number:040}")).collect::<Vec<_>>(),
    );
    let mut child =
        bench.command().arg("range").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stderr, b"");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_drive_is_run_until_it_is_interrupted() {
    let Some(_) = built("kinetic-drive") else { return eprintln!("skipped: kinetic-drive is not built") };
    for (arguments, ready) in
        [(&["drive", "--port", "0"][..], "listening on "), (&["--json", "drive", "--port=0"], "{")]
    {
        let mut child = command().args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with(ready), "{line}");
        let stopped = Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(stopped.success() && child.wait().unwrap().success());
    }
    let help = command().args(["drive", "--help"]).output().unwrap();
    assert!(String::from_utf8(help.stdout).unwrap().contains("--max-value-size"));
}
