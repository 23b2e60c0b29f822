//! What the drive serves over TLS.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::num::{NonZeroU64, NonZeroUsize};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use common::directory::TempDir;
use common::secure::{SecureClient, VERSIONS, start_tls, with_tls};
use common::{Client, receive, start_with, wait_until};
use kinetic_drive::protocol::{DEFAULT_KEY, HmacKey, LogType, PinOperationType, RequestBuilder, StatusCode};
use kinetic_drive::{Config, Drive, Faults, Tls, TlsFiles};
use rustls::version::TLS13;

const MIB: usize = 1 << 20;

fn value(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 31 + seed * 7 + n / 251) as u8).collect()
}

#[test]
fn both_versions_carry_requests_of_all_sizes() {
    let drive = start_with(Config { max_value_size: 16 << 20, ..with_tls() });
    for version in VERSIONS {
        let mut client = SecureClient::connect_to(drive.tls_addr().unwrap(), version);
        for len in [0, 1, 1000, 16 << 10, (16 << 10) + 1, 64 << 10, MIB, 16 * MIB] {
            let value = value(len, len);
            assert_eq!(client.put(b"key", &value), StatusCode::Success);
            assert!(client.get(b"key") == (StatusCode::Success, value), "{len} bytes");
        }
    }
}

#[test]
fn answers_come_in_order_while_requests_still_go_out() {
    let drive = start_tls();
    let mut client = SecureClient::connect(&drive);
    assert_eq!(client.put(b"large", &value(1, MIB)), StatusCode::Success);
    for round in 0..20 {
        let mut sequences = Vec::new();
        let mut bytes = Vec::new();
        for n in 0..50 {
            let request = if n % 25 == 0 { client.builder.get(b"large") } else { client.builder.noop() };
            sequences.push(request.sequence);
            request.append_to(&mut bytes);
        }
        client.stream.write_all(&bytes).unwrap();
        for (n, sequence) in sequences.into_iter().enumerate() {
            let (answer, got) = client.receive().unwrap();
            assert_eq!(answer.ack_sequence(), Some(sequence), "round {round}");
            assert!(n % 25 != 0 || got == value(1, MIB));
        }
    }
}

#[test]
fn pins_and_keys_are_for_tls_only() {
    let drive = start_tls();
    let mut plain = Client::connect(&drive);
    let mut secure = SecureClient::connect(&drive);
    let request = plain.builder.set_lock_pin(b"", b"1234");
    assert_eq!(plain.ask(&request, b"").0.status(), StatusCode::NotAuthorized);
    let request = secure.builder.set_lock_pin(b"", b"1234");
    assert_eq!(secure.ask(&request, b"").0.status(), StatusCode::Success);

    let request = plain.builder.pin_operation(PinOperationType::Lock, b"1234");
    plain.send(&request, b"");
    assert_eq!(plain.expect_farewell().status(), StatusCode::ConnectionTerminated);
    assert_eq!(secure.noop(), StatusCode::Success);
    let request = secure.builder.pin_operation(PinOperationType::Lock, b"1234");
    assert_eq!(secure.ask(&request, b"").0.status(), StatusCode::Success);
    assert_eq!(Client::connect(&drive).noop(), StatusCode::DeviceLocked);
    let request = secure.builder.pin_operation(PinOperationType::Unlock, b"1234");
    assert_eq!(secure.ask(&request, b"").0.status(), StatusCode::Success);
    assert_eq!(Client::connect(&drive).noop(), StatusCode::Success);
}

#[test]
fn the_configuration_has_the_port() {
    for (drive, tls) in [(start_tls(), true), (common::start(), false)] {
        let mut client = Client::connect(&drive);
        let request = client.builder.get_log(&[LogType::Configuration]);
        let (answer, _) = client.ask(&request, b"");
        let configuration = answer.get_log().unwrap().configuration.clone().unwrap();
        let port = drive.tls_addr().map_or(0, |address| address.port());
        assert_eq!(port != 0, tls);
        assert_eq!(configuration.tls_port, Some(port.into()));
    }
}

/// Debian's client, killed when dropped.
struct Openssl(Child);

impl Drop for Openssl {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn openssl_agrees_in_both_versions() {
    let drive = start_tls();
    for (n, version) in ["-tls1_2", "-tls1_3"].into_iter().enumerate() {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-quiet", version, "-connect", &drive.tls_addr().unwrap().to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut openssl = Openssl(command.spawn().expect("this needs the openssl program"));
        let mut stdout = openssl.0.stdout.take().unwrap();
        let mut stdin = openssl.0.stdin.take().unwrap();
        let key = HmacKey::new(DEFAULT_KEY);
        let (hello, _) = receive(&mut stdout, &key).unwrap();
        let mut builder = RequestBuilder::new(hello.connection_id().unwrap());
        let value = value(n, 300_000);
        let mut bytes = Vec::new();
        builder.put(b"key", value.len() as u32).append_to(&mut bytes);
        bytes.extend_from_slice(&value);
        builder.get(b"key").append_to(&mut bytes);
        stdin.write_all(&bytes).unwrap();
        assert_eq!(receive(&mut stdout, &key).unwrap().0.status(), StatusCode::Success);
        assert!(receive(&mut stdout, &key).unwrap().1 == value);
        drop(stdin);
    }
    wait_until("both have gone", || drive.statistics().connections.open == 0);
    assert_eq!(drive.statistics().protocol_errors, 0);
}

/// A certificate for 127.0.0.1 and its key, in a new directory.
fn certificate() -> (TempDir, TlsFiles) {
    let dir = TempDir::for_sockets();
    let files = TlsFiles { certificate: dir.0.join("cert.pem"), key: dir.0.join("key.pem") };
    let mut command = Command::new("openssl");
    command.args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(' '));
    command.args("-subj /CN=drive -addext subjectAltName=IP:127.0.0.1".split(' '));
    command.arg("-out").arg(&files.certificate).arg("-keyout").arg(&files.key);
    assert!(command.output().expect("this needs the openssl program").status.success());
    (dir, files)
}

fn with_files(files: TlsFiles) -> Config {
    let config = with_tls();
    Config { tls: config.tls.map(|tls| Tls { files: Some(files), ..tls }), ..config }
}

#[test]
fn a_given_certificate_is_shown() {
    let (_dir, files) = certificate();
    let drive = start_with(with_files(files.clone()));
    let address = drive.tls_addr().unwrap();
    let check = |ca: &str| {
        let mut command = Command::new("openssl");
        command.args([
            "s_client",
            "-brief",
            "-verify_return_error",
            "-verify_ip",
            "127.0.0.1",
            "-CAfile",
            ca,
        ]);
        command.args(["-connect", &address.to_string()]).stdin(Stdio::null());
        command.output().unwrap().status.success()
    };
    assert!(check(files.certificate.to_str().unwrap()));
    let (_other, others) = certificate();
    assert!(!check(others.certificate.to_str().unwrap()));
}

#[test]
fn wrong_files_are_named() {
    let (dir, files) = certificate();
    let (_other, others) = certificate();
    let nowhere = dir.0.join("nowhere.pem");
    let empty = dir.0.join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    for (certificate, key, named) in [
        (&nowhere, &files.key, "nowhere.pem"),
        (&files.certificate, &nowhere, "nowhere.pem"),
        (&empty, &files.key, "empty.pem"),
        (&files.certificate, &empty, "empty.pem"),
        (&files.key, &files.key, "key.pem"),
        (&files.certificate, &files.certificate, "cert.pem"),
        (&files.certificate, &others.key, "certificate cannot be used"),
    ] {
        let config = with_files(TlsFiles { certificate: certificate.clone(), key: key.clone() });
        let error = Drive::start(config).err().expect("it cannot start").to_string();
        assert!(error.contains(named), "{error}");
    }
}

/// Reads to the end, whichever it is.
fn read_all(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }
    bytes
}

#[test]
fn a_stalled_handshake_ends_in_time() {
    let stall_timeout = Some(Duration::from_millis(200));
    let drive = start_with(Config { stall_timeout, ..with_tls() });
    let address = drive.tls_addr().unwrap();
    let silent = common::secure::tcp(address);
    // The beginning of a record that would be a handshake's.
    let begun = common::secure::tcp(address);
    (&begun).write_all(&[0x16, 0x03, 0x01, 0x01]).unwrap();
    // One byte at a time does not help.
    let trickling = common::secure::tcp(address);
    let sending = thread::spawn({
        let trickling = trickling.try_clone().unwrap();
        move || {
            for byte in [0x16, 0x03, 0x01, 0x40].into_iter().chain([0; 1000]) {
                if (&trickling).write_all(&[byte]).is_err() {
                    return true;
                }
                thread::sleep(Duration::from_millis(20));
            }
            false
        }
    });
    for stream in [&silent, &begun, &trickling] {
        assert_eq!(read_all(stream), b"");
    }
    assert!(sending.join().unwrap());
    wait_until("they are counted", || drive.statistics().stalls == 3);
    assert_eq!(drive.statistics().connections.open, 0);
    assert_eq!(SecureClient::connect(&drive).noop(), StatusCode::Success);
}

#[test]
fn what_is_not_tls_ends_with_an_alert() {
    let drive = start_tls();
    let request = {
        let mut bytes = Vec::new();
        RequestBuilder::new(1).noop().append_to(&mut bytes);
        bytes
    };
    let garbage = [b"GET / HTTP/1.0\r\n\r\n".to_vec(), vec![0; 100_000], vec![0x16; 100_000], request];
    for (n, bytes) in (1..).zip(&garbage) {
        let stream = common::secure::tcp(drive.tls_addr().unwrap());
        // The drive may have closed it before all has left.
        let _ = (&stream).write_all(bytes);
        let answer = read_all(&stream);
        // A fatal alert, if the end has not destroyed it.
        assert!(answer.is_empty() || (answer[0] == 21 && answer[5] == 2), "{answer:?}");
        wait_until("it is counted", || drive.statistics().protocol_errors == n);
    }
    wait_until("all are closed", || drive.statistics().connections.open == 0);
    assert_eq!(drive.statistics().operations, []);
}

#[test]
fn garbage_between_records_ends_a_connection() {
    let drive = start_tls();
    for version in VERSIONS {
        let mut client = SecureClient::connect_to(drive.tls_addr().unwrap(), version);
        assert_eq!(client.put(b"key", b"value"), StatusCode::Success);
        // A record that nobody has encrypted.
        client.stream.sock.write_all(&[23, 3, 3, 0, 30]).unwrap();
        client.stream.sock.write_all(&[7; 30]).unwrap();
        assert_eq!(client.receive().unwrap_err().kind(), ErrorKind::InvalidData);
    }
    wait_until("it is counted", || drive.statistics().protocol_errors == 2);
}

#[test]
fn a_request_that_is_cut_does_nothing() {
    let drive = start_tls();
    let mut witness = SecureClient::connect(&drive);
    for announced in [false, true] {
        let mut client = SecureClient::connect(&drive);
        assert_eq!(client.put(b"whole", b"value"), StatusCode::Success);
        let request = client.builder.put(b"cut", 100_000);
        client.send(&request, &vec![1; 99_999]);
        if announced {
            client.stream.conn.send_close_notify();
            client.stream.flush().unwrap();
        }
        client.stream.sock.shutdown(Shutdown::Write).unwrap();
        assert!(!read_all(&client.stream.sock).is_empty(), "it says goodbye");
        assert_eq!(witness.get(b"cut").0, StatusCode::NotFound);
        assert_eq!(witness.get(b"whole").1, b"value");
    }
    wait_until("they are gone", || drive.statistics().connections.open == 1);
}

#[test]
fn a_stop_says_goodbye_and_waits_for_no_handshake() {
    let drive = start_with(Config { stall_timeout: None, ..with_tls() });
    let mut client = SecureClient::connect(&drive);
    let silent = common::secure::tcp(drive.tls_addr().unwrap());
    assert_eq!(client.noop(), StatusCode::Success);
    wait_until("both are there", || drive.statistics().connections.open == 2);
    let stopping = thread::spawn(move || drive.stop(Duration::from_secs(3600)));
    assert_eq!(client.expect_farewell().status(), StatusCode::Shutdown);
    assert_eq!(read_all(&silent), b"");
    stopping.join().unwrap().unwrap();
}

#[test]
fn one_connection_too_many_is_closed() {
    let drive = start_with(Config { max_connections: 1, ..with_tls() });
    let mut client = SecureClient::connect(&drive);
    assert_eq!(read_all(&common::secure::tcp(drive.tls_addr().unwrap())), b"");
    assert_eq!(client.noop(), StatusCode::Success);
    assert_eq!(drive.statistics().connections.refused, 1);
}

#[test]
fn a_status_reaches_an_idle_client_and_answers_go_on() {
    let drive = start_tls();
    let mut client = SecureClient::connect(&drive);
    for n in 0..100 {
        assert_eq!(client.noop(), StatusCode::Success);
        wait_until("it waits", || drive.connections()[0].idle);
        assert_eq!(drive.send_status(None, 5, &n.to_string()).unwrap().sent, 1);
        let (status, _) = client.receive().unwrap();
        assert!(status.unsolicited);
        assert_eq!(status.status_message(), n.to_string());
    }
}

#[test]
fn a_client_that_takes_no_answers_is_reset() {
    let drive = start_with(Config { stall_timeout: Some(Duration::from_millis(200)), ..with_tls() });
    let mut client = SecureClient::connect(&drive);
    assert_eq!(client.put(b"key", &value(0, MIB)), StatusCode::Success);
    let mut bytes = Vec::new();
    for _ in 0..32 {
        client.builder.get(b"key").append_to(&mut bytes);
    }
    client.stream.write_all(&bytes).unwrap();
    wait_until("it is given up", || drive.statistics().stalls == 1);
    wait_until("it is gone", || drive.statistics().connections.open == 0);
}

#[test]
fn ends_on_purpose_are_not_announced() {
    let faults = Faults { close_at: NonZeroU64::new(2), ..Faults::default() };
    let drive = start_with(Config { faults, ..with_tls() });
    let mut client = SecureClient::connect(&drive);
    assert_eq!(client.noop(), StatusCode::Success);
    let request = client.builder.noop();
    client.send(&request, b"");
    assert_eq!(client.receive().unwrap_err().kind(), ErrorKind::UnexpectedEof);

    for version in VERSIONS {
        let faults = Faults { close_at_byte: Some(7), ..Faults::default() };
        let drive = start_with(Config { faults, ..with_tls() });
        let mut stream = common::secure::stream(drive.tls_addr().unwrap(), version);
        let mut bytes = Vec::new();
        assert_eq!(stream.read_to_end(&mut bytes).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(bytes.len(), 7);
    }
}

#[test]
fn pieces_and_keys_that_change_do_not_matter() {
    let faults = Faults { fragment: NonZeroUsize::new(1000), ..Faults::default() };
    let drive = start_with(Config { faults, ..with_tls() });
    let mut client = SecureClient::connect_to(drive.tls_addr().unwrap(), &TLS13);
    for n in 0..20 {
        let value = value(n, 100_000);
        assert_eq!(client.put(b"key", &value), StatusCode::Success);
        // The drive has to answer with new keys of its own.
        client.stream.conn.refresh_traffic_keys().unwrap();
        assert!(client.get(b"key").1 == value);
    }
}
