//! The control socket.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use common::directory::TempDir;
use common::{Client, start_with};
use kinetic_drive::protocol::StatusCode;
use kinetic_drive::{Config, Drive, Faults};
use serde_json::{Value, json};

fn socket(directory: &TempDir) -> PathBuf {
    directory.0.join("control")
}

fn config(path: &Path) -> Config {
    Config { control: Some(path.to_owned()), ..Config::default() }
}

/// A client of the control socket.
struct Control {
    stream: BufReader<UnixStream>,
}

impl Control {
    fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        // Only turns a hang into a failure.
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    fn ask_raw(&mut self, line: &str) -> Value {
        writeln!(self.stream.get_mut(), "{line}").unwrap();
        let mut answer = String::new();
        self.stream.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// Asks for something that works.
    fn ask(&mut self, command: Value) -> Value {
        let mut answer = self.ask_raw(&command.to_string());
        assert_eq!(answer["ok"], true, "{answer}");
        answer.as_object_mut().unwrap().remove("ok");
        answer
    }

    fn expect_end(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"");
    }
}

fn start(directory: &TempDir) -> (Drive, Control) {
    let drive = start_with(config(&socket(directory)));
    let control = Control::connect(&socket(directory));
    (drive, control)
}

#[test]
fn faults_are_shown_and_changed() {
    let directory = TempDir::for_sockets();
    let (drive, mut control) = start(&directory);
    let shown = |faults: &Faults| json!({ "faults": faults });
    let mut expected = Faults::default();
    assert_eq!(control.ask(json!({ "command": "show" })), shown(&expected));

    expected.close_at = NonZeroU64::new(3);
    expected.seed = 5;
    let set = json!({ "command": "set", "faults": { "close_at": 3, "seed": 5 } });
    assert_eq!(control.ask(set), shown(&expected));
    expected.close_at = None;
    expected.delay_ms = Some(1);
    let set = json!({ "command": "set", "faults": { "close_at": null, "delay_ms": 1 } });
    assert_eq!(control.ask(set), shown(&expected));
    assert_eq!(drive.faults(), expected);

    let expected = Faults { early: true, ..Faults::default() };
    let replace = json!({ "command": "replace", "faults": { "early": true } });
    assert_eq!(control.ask(replace), shown(&expected));
    assert_eq!(drive.faults(), expected);

    control.ask(json!({ "command": "set", "faults": { "seed": 8 } }));
    let cleared = Faults { seed: 8, ..Faults::default() };
    assert_eq!(control.ask(json!({ "command": "clear" })), shown(&cleared));
    assert_eq!(drive.faults(), cleared);
}

#[test]
fn a_connection_feels_a_change() {
    let directory = TempDir::for_sockets();
    let (drive, mut control) = start(&directory);
    let mut client = Client::connect(&drive);
    assert_eq!(client.noop(), StatusCode::Success);
    control.ask(json!({ "command": "set", "faults": { "duplicate_every": 1 } }));
    assert_eq!(client.noop(), StatusCode::Success);
    assert_eq!(client.receive().unwrap().0.ack_sequence(), Some(2));
    control.ask(json!({ "command": "clear" }));
    assert_eq!(client.noop(), StatusCode::Success);
    assert_eq!(client.noop(), StatusCode::Success);
}

#[test]
fn connections_are_listed_and_ended() {
    let directory = TempDir::for_sockets();
    let (drive, mut control) = start(&directory);
    assert_eq!(control.ask(json!({ "command": "connections" })), json!({ "connections": [] }));
    let mut clients = [(); 2].map(|()| Client::connect(&drive));
    assert_eq!(clients[1].noop(), StatusCode::Success);
    let list = loop {
        let list = control.ask(json!({ "command": "connections" }));
        let list = list["connections"].as_array().unwrap().clone();
        if list.iter().all(|connection| connection["idle"] == true) {
            break list;
        }
    };
    let peer = |client: &Client| client.stream().local_addr().unwrap().to_string();
    for (index, client) in clients.iter().enumerate() {
        assert_eq!(list[index]["id"], index + 1);
        assert_eq!(list[index]["peer"], peer(client));
        assert_eq!(list[index]["requests"], index);
        assert!(list[index]["sent"].as_u64().unwrap() > 0);
    }
    assert_eq!(control.ask(json!({ "command": "close", "connection": 1 })), json!({}));
    clients[0].expect_end();
    assert_eq!(control.ask(json!({ "command": "reset", "connection": 2 })), json!({}));
    let error = clients[1].stream().read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_status_is_sent_to_one_or_to_all() {
    let directory = TempDir::for_sockets();
    let (drive, mut control) = start(&directory);
    let mut clients = [(); 2].map(|()| Client::connect(&drive));
    while !drive.connections().iter().all(|connection| connection.idle) {
        thread::yield_now();
    }
    let delivered = |sent| json!({ "delivered": { "sent": sent, "queued": 0, "lost": 0 } });
    let one = json!({ "command": "status", "connection": 1, "code": 9, "text": "wait" });
    assert_eq!(control.ask(one), delivered(1));
    assert_eq!(control.ask(json!({ "command": "status", "code": -4 })), delivered(2));
    let (status, _) = clients[0].receive().unwrap();
    assert!(status.unsolicited);
    assert_eq!((status.status(), status.status_message()), (StatusCode::ServiceBusy, "wait"));
    for client in &mut clients {
        let (status, _) = client.receive().unwrap();
        assert_eq!(status.command.status.unwrap().code, Some(-4));
    }
}

#[test]
fn nonsense_is_answered_with_an_error_and_changes_nothing() {
    let directory = TempDir::for_sockets();
    let (drive, mut control) = start(&directory);
    for line in [
        "",
        "nonsense",
        "[]",
        "{}",
        r#"{"command": "dance"}"#,
        r#"{"command": "set", "faults": {"close_at": 0}}"#,
        r#"{"command": "set", "faults": {"close_at": 1, "unheard_of": 1}}"#,
        r#"{"command": "replace", "faults": {"fragment": "x"}}"#,
        r#"{"command": "close", "connection": 7}"#,
        r#"{"command": "reset", "connection": 7}"#,
        r#"{"command": "status", "connection": 7, "code": 1}"#,
    ] {
        let answer = control.ask_raw(line);
        assert_eq!(answer["ok"], false, "{line}");
        assert!(!answer["error"].as_str().unwrap().is_empty());
    }
    assert_eq!(drive.faults(), Faults::default());
    // The connection is still good.
    control.ask(json!({ "command": "show" }));
}

#[test]
fn a_line_without_an_end_is_not_listened_to_for_ever() {
    let directory = TempDir::for_sockets();
    let (_drive, mut control) = start(&directory);
    // It may be closed before all of it has been taken.
    let _ = control.stream.get_mut().write_all(&vec![b' '; (1 << 20) + 1]);
    let mut rest = Vec::new();
    // What was not read may turn the end into a reset.
    let _ = control.stream.read_to_end(&mut rest);
    assert_eq!(rest, b"");
    Control::connect(&socket(&directory)).ask(json!({ "command": "show" }));
}

#[test]
fn several_clients_are_served_side_by_side_and_all_leave_with_the_drive() {
    let directory = TempDir::for_sockets();
    let (drive, mut first) = start(&directory);
    let mut second = Control::connect(&socket(&directory));
    first.ask(json!({ "command": "set", "faults": { "seed": 3 } }));
    assert_eq!(second.ask(json!({ "command": "show" }))["faults"]["seed"], 3);
    first.ask(json!({ "command": "show" }));
    drop(drive);
    first.expect_end();
    second.expect_end();
    assert!(!socket(&directory).exists());
}

#[test]
fn nobody_else_can_connect() {
    let directory = TempDir::for_sockets();
    let (_drive, _) = start(&directory);
    let mode = fs::metadata(socket(&directory)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_socket_in_use_is_not_taken_over_but_one_left_behind_is() {
    let directory = TempDir::for_sockets();
    let path = socket(&directory);
    let (drive, mut control) = start(&directory);
    let error = Drive::start(config(&path)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    control.ask(json!({ "command": "show" }));
    drop(drive);

    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let (_drive, mut control) = start(&directory);
    control.ask(json!({ "command": "show" }));
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let directory = TempDir::for_sockets();
    let path = socket(&directory);
    fs::write(&path, "precious").unwrap();
    assert_eq!(Drive::start(config(&path)).err().unwrap().kind(), ErrorKind::AddrInUse);
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    assert_eq!(Drive::start(config(Path::new("/no/such/place"))).err().unwrap().kind(), ErrorKind::NotFound);
}

#[test]
fn a_file_that_somebody_else_has_put_there_is_not_removed() {
    let directory = TempDir::for_sockets();
    let (drive, _) = start(&directory);
    fs::remove_file(socket(&directory)).unwrap();
    fs::write(socket(&directory), "precious").unwrap();
    drop(drive);
    assert!(socket(&directory).exists());
}
