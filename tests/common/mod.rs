//! libkinetic's part over the driver, and drives to talk to.

#![allow(dead_code, reason = "no test needs all of it")]

use std::{
    io,
    num::NonZeroU64,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use kinetic_drive::{
    Config, Drive, Faults,
    protocol::{Answer, DEFAULT_KEY, Encoded, HmacKey, PDU_SIZE, Pdu, RequestBuilder, StatusCode},
};
use ktli_client::{
    driver::{Handle, URING},
    session::{Request, Session},
};
use ktli_uring::ffi::control::{
    KTLI_URING_BACKEND_SOCKET, KTLI_URING_BACKEND_URING, ktli_uring_config, ktli_uring_configure,
    ktli_uring_get_config,
};

/// How long to wait for an answer that should come.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// How long to wait for an answer that should not.
pub const SILENCE: Duration = Duration::from_millis(500);

/// Runs `test` over each of the backends, one after the other: the options belong to the whole process.
pub fn with_each_backend(test: impl Fn()) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn: MutexGuard<'_, ()> = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for backend in [KTLI_URING_BACKEND_URING, KTLI_URING_BACKEND_SOCKET] {
        // SAFETY: All bytes zero is a valid structure of numbers, and its size is set before the calls.
        unsafe {
            let mut config: ktli_uring_config = std::mem::zeroed();
            config.size = size_of_val(&config);
            assert_eq!(ktli_uring_get_config(&raw mut config), 0);
            config.backend = backend;
            assert_eq!(ktli_uring_configure(&raw const config), 0);
        }
        test();
    }
}

pub struct Client {
    pub session: Session,
    pub builder: RequestBuilder,
    key: HmacKey,
}

impl Client {
    pub fn connect(drive: &Drive) -> Client {
        Client::over(Session::connect(URING, drive.local_addr()).unwrap())
    }

    /// Over TLS.
    pub fn connect_tls(drive: &Drive) -> Client {
        Client::over(Session::connect_tls(URING, drive.tls_addr().unwrap()).unwrap())
    }

    fn over(session: Session) -> Client {
        let key = HmacKey::new(DEFAULT_KEY);
        let greeting = Answer::decode(&session.answer(PATIENCE).unwrap().message, &key).unwrap();
        Client { session, builder: RequestBuilder::new(greeting.connection_id().unwrap()), key }
    }

    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        let encoded = self.builder.put(key, value.len() as u32);
        self.session.submit(Request { encoded, value: value.into() }).unwrap();
    }

    pub fn put_and_wait(&mut self, key: &[u8], value: &[u8]) {
        let sequence = self.builder.sequence;
        self.put(key, value);
        self.expect(sequence);
    }

    pub fn get(&mut self, key: &[u8]) {
        let encoded = self.builder.get(key);
        self.session.submit(Request { encoded, value: Arc::new([]) }).unwrap();
    }

    pub fn noop(&mut self) {
        let encoded = self.builder.noop();
        self.session.submit(Request { encoded, value: Arc::new([]) }).unwrap();
    }

    /// The next message of the drive and its value.
    pub fn receive(&mut self) -> (Answer, Vec<u8>) {
        let raw = self.session.answer(PATIENCE).unwrap();
        (Answer::decode(&raw.message, &self.key).unwrap(), raw.value)
    }

    /// The next answer's value, after a look at its status and whose it is.
    pub fn expect(&mut self, sequence: u64) -> Vec<u8> {
        let (answer, value) = self.receive();
        assert_eq!(answer.status(), StatusCode::Success, "{}", answer.status_message());
        assert_eq!(answer.ack_sequence(), Some(sequence));
        value
    }

    pub fn expect_silence(&mut self) {
        assert!(self.session.answer(SILENCE).is_err());
    }
}

pub fn drive(faults: Faults) -> Drive {
    Drive::start(Config { max_value_size: 16 << 20, faults, ..Config::default() }).unwrap()
}

pub fn value(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed + 1;
    (0..size)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

/// How many bytes a drive greets with.
pub fn greeted() -> u64 {
    let drive = drive(Faults::default());
    let _client = Client::connect(&drive);
    loop {
        // It counts when it waits for requests.
        let connection = &drive.connections()[0];
        if connection.idle {
            return connection.sent;
        }
        thread::yield_now();
    }
}

/// A request's number, for faults.
pub fn at(request: u64) -> Option<NonZeroU64> {
    NonZeroU64::new(request)
}

/// A connection of the driver's whose calls the test makes itself. The drive's greeting has been received.
pub struct Wire {
    pub handle: Handle,
    pub builder: RequestBuilder,
}

impl Wire {
    pub fn connect(drive: &Drive) -> Wire {
        let handle = URING.open().unwrap();
        handle.connect(drive.local_addr()).unwrap();
        Wire::over(handle)
    }

    /// Over TLS.
    pub fn connect_tls(drive: &Drive) -> Wire {
        let handle = URING.open().unwrap();
        handle.connect_tls(drive.tls_addr().unwrap()).unwrap();
        Wire::over(handle)
    }

    fn over(handle: Handle) -> Wire {
        let mut wire = Wire { handle, builder: RequestBuilder::new(0) };
        let (_, [message, _]) = wire.receive().unwrap();
        let greeting = Answer::decode(&message, &HmacKey::new(DEFAULT_KEY)).unwrap();
        wire.builder = RequestBuilder::new(greeting.connection_id().unwrap());
        wire
    }

    pub fn send(&self, request: &Encoded, value: &[u8]) -> io::Result<usize> {
        let pieces: [&[u8]; 3] = [&request.pdu, &request.message, value];
        self.handle.send(if value.is_empty() { &pieces[..2] } else { &pieces })
    }

    pub fn noop(&mut self) -> io::Result<usize> {
        let noop = self.builder.noop();
        self.send(&noop, b"")
    }

    /// The PDU, the message and the value that come next, as libkinetic receives them.
    pub fn receive(&self) -> io::Result<([u8; PDU_SIZE], [Vec<u8>; 2])> {
        assert!(self.handle.poll(PATIENCE.as_millis() as i32)?, "nothing comes");
        let mut header = [0; PDU_SIZE];
        self.handle.receive([&mut header])?;
        let pdu = Pdu::decode(&header).unwrap();
        let body = self.handle.receive_fresh([pdu.message_len as usize, pdu.value_len as usize])?;
        Ok((header, body))
    }

    /// Nothing can be received, and soon nothing can be sent; both say so again and again, and neither hangs or spins.
    pub fn expect_death(&mut self) {
        let begun = Instant::now();
        let mut failures = 0;
        while failures < 3 {
            let polled = Instant::now();
            assert!(!self.handle.poll(20).unwrap());
            assert!(polled.elapsed() >= Duration::from_millis(20));
            if let Err(error) = self.noop() {
                assert!(error.raw_os_error().is_some(), "{error}");
                failures += 1;
            }
            assert!(begun.elapsed() < PATIENCE, "the end is not noticed");
        }
        self.handle.disconnect().unwrap();
    }
}
