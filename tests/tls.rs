//! The driver over TLS, on both engines: with a drive, and with peers that do what no drive does.

#![cfg(feature = "tls")]

mod common;

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    num::NonZeroUsize,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use common::{Client, PATIENCE, Wire, at, value, with_each_backend};
use kinetic_drive::{
    Config, Drive, Faults, Tls,
    protocol::{PDU_SIZE, Pdu, PinOperationType, StatusCode},
};
use ktli_client::{
    driver::{Handle, URING, configure},
    secure::server_config,
    session::Request,
};
use ktli_uring::ffi::features::KTLI_URING_FEATURE_KTLS;
use rustls::{
    ServerConnection, StreamOwned, SupportedProtocolVersion,
    version::{TLS12, TLS13},
};

const MIB: usize = 1 << 20;
const PROTO: Option<i32> = Some(71);
const CONNRESET: Option<i32> = Some(104);
const TIMEDOUT: Option<i32> = Some(110);

fn drive(faults: Faults) -> Drive {
    let tls = Some(Tls { address: ([127, 0, 0, 1], 0).into(), files: None });
    Drive::start(Config { max_value_size: 16 << 20, tls, faults, ..Config::default() }).unwrap()
}

#[test]
fn values_of_all_sizes_come_back() {
    with_each_backend(|| {
        let drive = drive(Faults::default());
        let mut client = Client::connect_tls(&drive);
        for size in
            [0, 1, 1000, 16_000, 16 << 10, 33_000, 48 << 10, 66 << 10, 67_400, 256 << 10, MIB + 1, 16 * MIB]
        {
            let value = value(size, size as u64);
            let sequence = client.builder.sequence;
            client.put(b"key", &value);
            client.get(b"key");
            client.expect(sequence);
            assert!(client.expect(sequence + 1) == value, "{size} bytes");
        }
    });
}

#[test]
fn both_directions_are_full_at_the_same_time() {
    with_each_backend(|| {
        let drive = drive(Faults::default());
        let mut client = Client::connect_tls(&drive);
        let (large, small) = (value(4 * MIB, 1), value(500, 2));
        client.put_and_wait(b"large", &large);
        client.put_and_wait(b"small", &small);
        let first = client.builder.sequence;
        for n in 0..60 {
            match n % 4 {
                0 => client.put(b"other", &large),
                1 => client.get(b"large"),
                2 => client.put(b"small", &small),
                _ => client.get(b"small"),
            }
        }
        for n in 0..60 {
            let value = client.expect(first + n);
            match n % 4 {
                1 => assert!(value == large),
                3 => assert!(value == small),
                _ => assert!(value.is_empty()),
            }
        }
    });
}

#[test]
fn small_messages_share_records_and_stay_apart() {
    with_each_backend(|| {
        for fragment in [None, NonZeroUsize::new(7)] {
            let drive = drive(Faults { fragment, ..Faults::default() });
            let mut client = Client::connect_tls(&drive);
            for round in 0..20 {
                let first = client.builder.sequence;
                for n in 0..32 {
                    client.put(&[round, n], &value(usize::from(n) * 10, n.into()));
                }
                (0..32).for_each(|n| _ = client.expect(first + n));
                (0..32).for_each(|n| client.get(&[round, n]));
                for n in 0..32_u8 {
                    assert_eq!(
                        client.expect(first + 32 + u64::from(n)),
                        value(usize::from(n) * 10, n.into())
                    );
                }
            }
        }
    });
}

#[test]
fn pins_are_taken() {
    with_each_backend(|| {
        let drive = drive(Faults::default());
        let mut client = Client::connect_tls(&drive);
        let ask = |client: &mut Client, encoded| {
            client.session.submit(Request { encoded, value: Arc::new([]) }).unwrap();
            client.receive().0.status()
        };
        let request = client.builder.set_lock_pin(b"", b"1234");
        assert_eq!(ask(&mut client, request), StatusCode::Success);
        let request = client.builder.pin_operation(PinOperationType::Lock, b"1234");
        assert_eq!(ask(&mut client, request), StatusCode::Success);
        let request = client.builder.noop();
        assert_eq!(ask(&mut client, request), StatusCode::DeviceLocked);
        let request = client.builder.pin_operation(PinOperationType::Unlock, b"1234");
        assert_eq!(ask(&mut client, request), StatusCode::Success);
    });
}

#[test]
fn a_drive_that_goes_away_between_messages_leaves_a_silent_session() {
    with_each_backend(|| {
        for faults in [
            Faults { close_at: at(2), ..Faults::default() },
            Faults { reset_at: at(2), ..Faults::default() },
            Faults { half_at: at(2), ..Faults::default() },
        ] {
            let drive = drive(faults);
            let mut wire = Wire::connect_tls(&drive);
            wire.noop().unwrap();
            wire.receive().unwrap();
            let _ = wire.noop();
            wire.expect_death();
        }
        // One that says goodbye, for the status with which it ends a connection.
        let drive = drive(Faults::default());
        let mut wire = Wire::connect_tls(&drive);
        thread::spawn(move || drive.stop(PATIENCE));
        wire.receive().unwrap();
        wire.expect_death();
    });
}

#[test]
fn an_end_inside_a_large_value_fails_the_receive() {
    with_each_backend(|| {
        let drive = drive(Faults::default());
        Client::connect_tls(&drive).put_and_wait(b"large", &value(MIB, 1));
        drive.set_faults(Faults { close_at_byte: Some(700_000), ..Faults::default() });
        let mut wire = Wire::connect_tls(&drive);
        let get = wire.builder.get(b"large");
        wire.send(&get, b"").unwrap();
        assert_eq!(wire.receive().unwrap_err().raw_os_error(), CONNRESET);
        wire.expect_death();
    });
}

// ---- Peers that are no drives. -------------------------------------------------------------------

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// Accepts one connection over TLS.
fn accept(listener: &TcpListener, version: &'static SupportedProtocolVersion) -> Stream {
    let config = server_config(&[version]).unwrap();
    let (tcp, _) = listener.accept().unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp.set_write_timeout(Some(PATIENCE)).unwrap();
    StreamOwned::new(ServerConnection::new(config).unwrap(), tcp)
}

/// A connected handle, and what `peer` does on the other side.
fn with_peer<T: Send + 'static>(
    version: &'static SupportedProtocolVersion,
    peer: impl FnOnce(Stream) -> T + Send + 'static,
) -> (Handle, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = thread::spawn(move || {
        let mut stream = accept(&listener, version);
        // The handshake, as nothing else may be said for a while.
        stream.conn.complete_io(&mut stream.sock).unwrap();
        peer(stream)
    });
    let handle = URING.open().unwrap();
    handle.connect_tls(address).unwrap();
    (handle, peer)
}

fn frame(message: usize, value: usize) -> Vec<u8> {
    let pdu = Pdu { message_len: message as u32, value_len: value as u32 };
    let mut frame = pdu.encode().to_vec();
    frame.extend(common::value(message + value, 7));
    frame
}

fn receive(handle: &Handle, frame: &[u8]) {
    assert!(handle.poll(PATIENCE.as_millis() as i32).unwrap(), "nothing comes");
    let mut pdu = [0; PDU_SIZE];
    handle.receive([&mut pdu]).unwrap();
    let [body] = handle.receive_fresh([frame.len() - PDU_SIZE]).unwrap();
    assert!([&pdu[..], &body].concat() == frame);
}

/// While it lives TLS stays in the driver.
struct InTheDriver(u64);

impl InTheDriver {
    fn only() -> Self {
        let mut before = 0;
        configure(|config| {
            before = config.features_off;
            config.features_off |= KTLI_URING_FEATURE_KTLS;
        })
        .unwrap();
        InTheDriver(before)
    }
}

impl Drop for InTheDriver {
    fn drop(&mut self) {
        configure(|config| config.features_off = self.0).unwrap();
    }
}

#[test]
fn new_keys_are_taken_while_a_send_is_blocked() {
    with_each_backend(|| {
        // Which is more than the kernel's TLS can: c_tests/ktls.c.
        let _in_the_driver = InTheDriver::only();
        let (there, back) = (frame(50, 24 * MIB), frame(30, 3000));
        let answer = back.clone();
        let len = there.len();
        let (handle, peer) = with_peer(&TLS13, move |mut stream| {
            // Nothing is read until the client has got all of this, and with it new keys, three times.
            for _ in 0..3 {
                stream.conn.refresh_traffic_keys().unwrap();
                stream.write_all(&answer).unwrap();
                stream.flush().unwrap();
            }
            let mut go = [0];
            let mut got = vec![0; len];
            stream.read_exact(&mut got[..1]).unwrap();
            stream.read_exact(&mut got[1..]).unwrap();
            stream.read_exact(&mut go).unwrap();
            (got, go)
        });
        thread::scope(|scope| {
            let sender = scope.spawn(|| handle.send(&[&there[..PDU_SIZE], &there[PDU_SIZE..]]).unwrap());
            for _ in 0..3 {
                receive(&handle, &back);
            }
            assert_eq!(sender.join().unwrap(), there.len());
        });
        // And one that is staged.
        handle.send(&[b"!"]).unwrap();
        assert!(!handle.poll(50).unwrap());
        let (got, go) = peer.join().unwrap();
        assert!(got == there && go == *b"!");
    });
}

#[test]
fn a_peer_blocked_on_its_answers_gets_on() {
    // Both sides send more than sockets hold before they read a byte more than they have to.
    with_each_backend(|| {
        for version in [&TLS12, &TLS13] {
            let big = frame(50, 16 * MIB);
            let (sent, len) = (big.clone(), big.len());
            let (handle, peer) = with_peer(version, move |mut stream| {
                stream.write_all(&sent).unwrap();
                let mut got = vec![0; len];
                stream.read_exact(&mut got).unwrap();
                got
            });
            thread::scope(|scope| {
                scope.spawn(|| handle.send(&[&big]).unwrap());
                receive(&handle, &big);
            });
            assert!(peer.join().unwrap() == big);
        }
    });
}

#[test]
fn disconnecting_brings_everything_and_says_goodbye() {
    with_each_backend(|| {
        for version in [&TLS12, &TLS13] {
            let (handle, peer) = with_peer(version, |mut stream| {
                let mut got = Vec::new();
                // It would be "unexpected end" without a goodbye.
                stream.read_to_end(&mut got).map(|_| got)
            });
            let frames = [frame(20, 100), frame(20, 2 * MIB), frame(20, 0), frame(20, 300)];
            for frame in &frames {
                handle.send(&[frame]).unwrap();
            }
            handle.disconnect().unwrap();
            assert!(peer.join().unwrap().unwrap() == frames.concat());
        }
    });
}

#[test]
fn a_goodbye_without_an_end_of_tcp_is_an_end() {
    with_each_backend(|| {
        let message = frame(10, 20);
        let sent = message.clone();
        let (handle, peer) = with_peer(&TLS13, move |mut stream| {
            stream.write_all(&sent).unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
            // TCP stays open until the driver ends it.
            stream.sock.read_to_end(&mut Vec::new())
        });
        receive(&handle, &message);
        // Silence, as after any end, and sending fails.
        let begun = Instant::now();
        while handle.send(&[b"x"]).is_ok() {
            assert!(!handle.poll(20).unwrap());
            assert!(begun.elapsed() < PATIENCE);
        }
        handle.disconnect().unwrap();
        let _ = peer.join().unwrap();
    });
}

#[test]
fn garbage_and_oversized_records_end_the_connection() {
    with_each_backend(|| {
        for version in [&TLS12, &TLS13] {
            for garbage in
                [&[23, 3, 3, 0, 40, 1, 2, 3][..], &[23, 3, 3, 0xff, 0xff, 0], b"HTTP/1.1 200 OK\r\n"]
            {
                let message = frame(10, 20);
                let sent = message.clone();
                let (handle, peer) = with_peer(version, move |mut stream| {
                    stream.write_all(&sent).unwrap();
                    stream.sock.write_all(garbage).unwrap();
                    stream.sock.write_all(&[9; 100]).unwrap();
                    let mut rest = Vec::new();
                    let _ = stream.sock.read_to_end(&mut rest);
                });
                receive(&handle, &message);
                assert_eq!(handle.receive([&mut [0; PDU_SIZE]]).unwrap_err().raw_os_error(), PROTO);
                let begun = Instant::now();
                while handle.send(&[b"x"]).is_ok() {
                    assert!(!handle.poll(20).unwrap());
                    assert!(begun.elapsed() < PATIENCE);
                }
                handle.disconnect().unwrap();
                peer.join().unwrap();
            }
        }
    });
}

/// Connects to a peer that does this with the plain connection; returns the error's number, and how long it took.
fn fail(peer: impl FnOnce(TcpStream) + Send + 'static) -> (Option<i32>, Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let peer = thread::spawn(move || peer(listener.accept().unwrap().0));
    let handle = URING.open().unwrap();
    let begun = Instant::now();
    let error = handle.connect_tls(address).unwrap_err();
    let took = begun.elapsed();
    drop(handle);
    peer.join().unwrap();
    (error.raw_os_error(), took)
}

fn drain(mut stream: TcpStream) {
    while !matches!(stream.read(&mut [0; 1000]), Ok(0) | Err(_)) {}
}

#[test]
fn there_is_no_agreement_with_a_peer_without_tls() {
    with_each_backend(|| {
        let (errno, _) = fail(|mut stream| {
            stream.write_all(&frame(10, 20)).unwrap();
            drain(stream);
        });
        assert_eq!(errno, PROTO);
        assert_eq!(fail(drop).0, PROTO);
        // A fatal alert: handshake_failure.
        let (errno, _) = fail(|mut stream| {
            stream.write_all(&[21, 3, 3, 0, 2, 2, 40]).unwrap();
            drain(stream);
        });
        assert_eq!(errno, PROTO);
        // The plain port of a drive.
        let drive = drive(Faults::default());
        let error = URING.open().unwrap().connect_tls(drive.local_addr()).unwrap_err();
        assert_eq!(error.raw_os_error(), PROTO);
    });
}

#[test]
fn a_peer_that_stalls_the_handshake_costs_the_time_out() {
    with_each_backend(|| {
        let before = ktli_client::driver::config().unwrap().connect_timeout;
        configure(|config| config.connect_timeout = 300).unwrap();
        for begun in [&b""[..], &[22, 3, 3, 0, 100, 2]] {
            let (errno, took) = fail(move |mut stream| {
                stream.write_all(begun).unwrap();
                drain(stream);
            });
            assert_eq!(errno, TIMEDOUT);
            assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(5), "{took:?}");
        }
        configure(|config| config.connect_timeout = before).unwrap();
    });
}

#[test]
fn a_handshake_is_ended_by_disconnect() {
    with_each_backend(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let handle = URING.open().unwrap();
        let address = listener.local_addr().unwrap();
        thread::scope(|scope| {
            let connecting = scope.spawn(|| handle.connect_tls(address));
            let (stream, _) = listener.accept().unwrap();
            // Its hello is there, so it waits for an answer.
            let mut first = [0];
            (&stream).read_exact(&mut first).unwrap();
            let begun = Instant::now();
            handle.disconnect().unwrap();
            let error = connecting.join().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
            // It would end after ten seconds in any case.
            assert!(begun.elapsed() < Duration::from_secs(5));
        });
    });
}
