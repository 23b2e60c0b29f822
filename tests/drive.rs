//! The driver and the drive: real Kinetic requests through the driver's C interface, with the two threads
//! that libkinetic has, over both engines, and with a drive that misbehaves.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use kinetic_drive::{
    Config, Drive, Faults,
    protocol::{Answer, DEFAULT_KEY, HmacKey, RequestBuilder, StatusCode},
};
use ktli_client::{
    driver::URING,
    session::{Request, Session},
};
use ktli_uring::ffi::control::{
    KTLI_URING_BACKEND_SOCKET, KTLI_URING_BACKEND_URING, ktli_uring_config, ktli_uring_configure,
    ktli_uring_get_config,
};

/// How long to wait for an answer that should come.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long to wait for an answer that should not.
const SILENCE: Duration = Duration::from_millis(500);

/// The backends to test with, one after the other: the options belong to the whole process.
fn with_each_backend(test: impl Fn()) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn: MutexGuard<'_, ()> = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    for backend in [KTLI_URING_BACKEND_URING, KTLI_URING_BACKEND_SOCKET] {
        // SAFETY: All bytes zero is a valid structure of numbers, and its size is set before the calls.
        unsafe {
            let mut config: ktli_uring_config = std::mem::zeroed();
            config.size = size_of_val(&config);
            assert_eq!(ktli_uring_get_config(&mut config), 0);
            config.backend = backend;
            assert_eq!(ktli_uring_configure(&config), 0);
        }
        test();
    }
}

struct Client {
    session: Session,
    builder: RequestBuilder,
    key: HmacKey,
}

impl Client {
    fn connect(drive: &Drive) -> Client {
        let session = Session::connect(URING, drive.local_addr()).unwrap();
        let key = HmacKey::new(DEFAULT_KEY);
        let greeting = Answer::decode(&session.answer(PATIENCE).unwrap().message, &key).unwrap();
        Client { session, builder: RequestBuilder::new(greeting.connection_id().unwrap()), key }
    }

    fn put(&mut self, key: &[u8], value: &[u8]) {
        let encoded = self.builder.put(key, value.len() as u32);
        self.session.submit(Request { encoded, value: value.into() }).unwrap();
    }

    fn put_and_wait(&mut self, key: &[u8], value: &[u8]) {
        let sequence = self.builder.sequence;
        self.put(key, value);
        self.expect(sequence);
    }

    fn get(&mut self, key: &[u8]) {
        let encoded = self.builder.get(key);
        self.session.submit(Request { encoded, value: Arc::new([]) }).unwrap();
    }

    fn noop(&mut self) {
        let encoded = self.builder.noop();
        self.session.submit(Request { encoded, value: Arc::new([]) }).unwrap();
    }

    /// The next answer's value, after a look at its status and whose it is.
    fn expect(&mut self, sequence: u64) -> Vec<u8> {
        let raw = self.session.answer(PATIENCE).unwrap();
        let answer = Answer::decode(&raw.message, &self.key).unwrap();
        assert_eq!(answer.status(), StatusCode::Success, "{}", answer.status_message());
        assert_eq!(answer.ack_sequence(), Some(sequence));
        raw.value
    }

    fn expect_silence(&mut self) {
        assert!(self.session.answer(SILENCE).is_err());
    }
}

fn drive(faults: Faults) -> Drive {
    Drive::start(Config { max_value_size: 16 << 20, faults, ..Config::default() }).unwrap()
}

fn value(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed + 1;
    (0..size)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

#[test]
fn values_of_every_size_come_back_as_they_went() {
    with_each_backend(|| {
        let drive = drive(Faults::default());
        let mut client = Client::connect(&drive);
        // Around every border of the driver's: staged or not, buffered or direct.
        let sizes = [
            0,
            1,
            512,
            4096,
            48 << 10,
            (48 << 10) - 1,
            65_536,
            (128 << 10) - 200,
            (128 << 10) + 1,
            256 << 10,
            512 << 10,
            1 << 20,
            16 << 20,
        ];
        for (index, size) in sizes.into_iter().enumerate() {
            let value = value(size, index as u64);
            let first = client.builder.sequence;
            client.put(b"key", &value);
            client.get(b"key");
            assert!(client.expect(first).is_empty());
            assert!(client.expect(first + 1) == value, "a value of {size} bytes differs");
        }
    });
}

#[test]
fn many_outstanding_requests_keep_their_order() {
    with_each_backend(|| {
        let drive = drive(Faults::default());
        let mut client = Client::connect(&drive);
        let values: Vec<_> = (0..64).map(|index| value(index * index * 40, index as u64)).collect();
        let first = client.builder.sequence;
        for round in 0..10 {
            for (index, value) in values.iter().enumerate() {
                client.put(&[index as u8, round], value);
                client.get(&[index as u8, round]);
            }
        }
        for (index, value) in values.iter().cycle().take(640).enumerate() {
            assert!(client.expect(first + 2 * index as u64).is_empty());
            assert!(client.expect(first + 2 * index as u64 + 1) == *value);
        }
    });
}

#[test]
fn answers_in_fragments_are_put_together() {
    with_each_backend(|| {
        for (fragment, size) in [(1, 300), (7, 5000), (1000, 1 << 20)] {
            let drive = drive(Faults { fragment: NonZeroUsize::new(fragment), ..Faults::default() });
            let mut client = Client::connect(&drive);
            let value = value(size, 1);
            client.put(b"key", &value);
            client.get(b"key");
            client.expect(1);
            assert!(client.expect(2) == value);
        }
    });
}

#[test]
fn a_drive_that_goes_away_leaves_a_silent_session() {
    with_each_backend(|| {
        let at = Some(4);
        for faults in [
            Faults { close_at: at, ..Faults::default() },
            Faults { reset_at: at, ..Faults::default() },
            // The first half of an answer never reaches the caller: a receive that fails would hang it.
            Faults { half_at: at, ..Faults::default() },
        ] {
            let drive = drive(faults);
            let mut client = Client::connect(&drive);
            for sequence in 1..4 {
                client.noop();
                client.expect(sequence);
            }
            client.noop();
            client.expect_silence();
            // The sender finds out.
            client.noop();
            let error = client.session.answer(PATIENCE).err().unwrap();
            assert!(error.raw_os_error().is_some(), "{error}");
        }
    });
}

#[test]
fn a_silent_drive_does_not_end_the_session() {
    with_each_backend(|| {
        let drive = drive(Faults { silent_at: Some(2), ..Faults::default() });
        let mut client = Client::connect(&drive);
        client.noop();
        client.expect(1);
        client.noop();
        client.expect_silence();
        client.noop();
        client.expect_silence();
    });
}

/// A drive that is blocked on its answers takes no requests: whoever disconnects has to read, or what waits in
/// the driver never leaves.
#[test]
fn disconnecting_from_a_drive_that_is_blocked_on_its_answers_loses_nothing() {
    with_each_backend(|| {
        let drive = drive(Faults::default());
        let large = value(1 << 20, 1);
        Client::connect(&drive).put_and_wait(b"large", &large);
        let small = value(64 << 10, 2);
        let handle = URING.open().unwrap();
        handle.connect(drive.local_addr()).unwrap();
        let accepted = AtomicUsize::new(0);
        thread::scope(|scope| {
            let sender = scope.spawn(|| {
                // The second connection; its greeting is not received either.
                let mut builder = RequestBuilder::new(2);
                // More answers than all buffers hold, none of which is received.
                for _ in 0..100 {
                    let get = builder.get(b"large");
                    handle.send(&[&get.pdu, &get.message]).unwrap();
                }
                loop {
                    let key = accepted.load(Ordering::Relaxed).to_string();
                    let put = builder.put(key.as_bytes(), small.len() as u32);
                    if handle.send(&[&put.pdu, &put.message, &small]).is_err() {
                        return;
                    }
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
            });
            // Until the sender is stuck.
            let mut before = usize::MAX;
            while accepted.load(Ordering::Relaxed) != before {
                before = accepted.load(Ordering::Relaxed);
                thread::sleep(Duration::from_millis(300));
            }
            handle.disconnect().unwrap();
            sender.join().unwrap();
        });
        let accepted = accepted.into_inner();
        let mut client = Client::connect(&drive);
        for index in [0, accepted / 2, accepted - 1] {
            let sequence = client.builder.sequence;
            client.get(index.to_string().as_bytes());
            assert!(client.expect(sequence) == small, "put {index} of {accepted} is lost");
        }
    });
}
