//! TLS in the kernel: who gets it, and the records that the kernel leaves to this.
//!
//! [The module](super) says what it is, and what it is not used for.

use std::{
    io,
    net::TcpListener,
    os::fd::{AsFd, BorrowedFd},
    sync::OnceLock,
    time::{Duration, Instant},
};

use log::{debug, info, warn};
use rustls::{CipherSuite, ClientConnection, ConnectionTrafficSecrets, ProtocolVersion};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    error::Errno,
    ffi::reserve,
    socket::{
        calls::{self, Interest},
        ktls::{self, Keys, Version},
    },
};

/// Types of records (RFC 8446, section 5.1).
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// Alerts (RFC 8446, section 6): a goodbye, and one that comes before it.
const CLOSE_NOTIFY: u8 = 0;
const USER_CANCELED: u8 = 90;

/// Messages of the handshake that may come after it (RFC 8446, section 4, and RFC 5246, section 7.4).
const HELLO_REQUEST: u8 = 0;
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;

/// The most bytes in a record.
const RECORD: usize = 16 << 10;

/// How long one try to say goodbye may wait for a socket that has room.
const PATIENCE: Duration = Duration::from_millis(20);

/// How long it may take to connect to oneself.
const SOON: Duration = Duration::from_secs(1);

/// Can the kernel encrypt as this library wants it to? If not, why not. It is asked once, by having it encrypt a
/// connection of this process with itself; a shortage is no answer.
pub fn check() -> Result<(), String> {
    static ANSWER: OnceLock<Result<(), String>> = OnceLock::new();
    if let Some(answer) = ANSWER.get() {
        return answer.clone();
    }
    let answer = try_it();
    let is_lasting = match &answer {
        Ok(()) => true,
        Err((_, error)) if error.kind() == io::ErrorKind::TimedOut => false,
        Err((_, error)) => !matches!(
            error.raw_os_error(),
            Some(
                libc::EMFILE
                    | libc::ENFILE
                    | libc::ENOMEM
                    | libc::ENOBUFS
                    | libc::EAGAIN
                    | libc::EADDRINUSE
                    | libc::EADDRNOTAVAIL
                    | libc::ENETUNREACH
            )
        ),
    };
    let answer = answer.map_err(|(step, error)| match error.raw_os_error() {
        Some(libc::ENOENT) if step == ATTACH => {
            "the kernel's module tls is not there, or not loaded".to_owned()
        }
        Some(libc::ENOENT) => format!("the kernel lacks ChaCha20-Poly1305 ({step})"),
        _ => format!("{step}: {error}"),
    });
    if let Err(why) = &answer {
        info!("TLS stays in the driver: {why}");
    }
    if !is_lasting {
        return answer;
    }
    let kept = answer.clone();
    if reserve::check().is_ok() {
        // Not get_or_init around all of it: a child forked in the middle would wait for ever.
        let _ = ANSWER.set(kept);
    }
    answer
}

const ATTACH: &str = "TCP_ULP";

/// Fails with the step that has failed.
fn try_it() -> Result<(), (&'static str, io::Error)> {
    fn at<T>(step: &'static str, result: io::Result<T>) -> Result<T, (&'static str, io::Error)> {
        result.map_err(|error| (step, error))
    }
    let listener = at("a socket that listens", TcpListener::bind(("127.0.0.1", 0)))?;
    let address = at("its address", listener.local_addr())?;
    let socket = at("a socket", Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)))?;
    at("a connection to this process", socket.connect_timeout(&address.into(), SOON))?;
    let keys = Keys::new(Version::V13, &[0; 32], &[0; 12], 0);
    let keys = at("keys", keys.ok_or_else(|| io::ErrorKind::InvalidInput.into()))?;
    at(ATTACH, ktls::attach(socket.as_fd()))?;
    at("TLS_RX", ktls::set_receive_keys(socket.as_fd(), &keys))?;
    at("TLS_TX", ktls::set_send_keys(socket.as_fd(), &keys))
}

/// Gives a connection to the kernel, after the handshake and with nothing that was read or is to be sent in this
/// process's memory; or gives it back where it stays here.
///
/// Fails where the kernel has taken the keys of one direction and not of the other: then there is no way back.
pub fn hand_over(
    connection: ClientConnection,
    socket: &Socket,
) -> Result<Result<Kernel, ClientConnection>, Errno> {
    let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => Version::V12,
        Some(ProtocolVersion::TLSv1_3) => Version::V13,
        other => {
            info!("TLS stays in the driver: the version is {other:?}");
            return Ok(Err(connection));
        }
    };
    if !suite.is_some_and(is_suitable) {
        info!("TLS stays in the driver: the drive has chosen {suite:?}, whose keys nobody would renew");
        return Ok(Err(connection));
    }
    if let Err(error) = ktls::attach(socket.as_fd()) {
        info!("TLS stays in the driver: TCP_ULP: {error}");
        return Ok(Err(connection));
    }
    let secrets = connection.dangerous_extract_secrets().map_err(|error| lost("its keys", &error))?;
    let keys = |(next, secrets): &(u64, ConnectionTrafficSecrets)| match secrets {
        ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
            Keys::new(version, key.as_ref(), iv.as_ref(), *next).ok_or(Errno::PROTO)
        }
        _ => Err(Errno::PROTO),
    };
    let (receive, send) = (keys(&secrets.rx)?, keys(&secrets.tx)?);
    ktls::set_receive_keys(socket.as_fd(), &receive).map_err(|error| lost("TLS_RX", &error))?;
    ktls::set_send_keys(socket.as_fd(), &send).map_err(|error| lost("TLS_TX", &error))?;
    info!("TLS in the kernel: {version:?}, {suite:?}");
    Ok(Ok(Kernel(())))
}

/// The connection is neither here nor there.
fn lost(what: &str, why: &dyn std::fmt::Display) -> Errno {
    warn!("the kernel does not take over TLS ({what}: {why}): KTLI_URING_FEATURES=-ktls does without it");
    Errno::PROTO
}

/// The suites that are given to the kernel.
pub fn is_suitable(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    )
}

/// A connection whose TLS the kernel does.
pub struct Kernel(());

#[expect(clippy::unused_self, reason = "only who has one may ask")]
impl Kernel {
    /// Takes a result of receiving to what it means: the record that the kernel did not hand out is looked at, if that
    /// was it.
    pub fn understand(&self, fd: BorrowedFd<'_>, result: io::Result<usize>) -> io::Result<usize> {
        let error = match result {
            Err(error) => error,
            ok => return ok,
        };
        match error.raw_os_error() {
            Some(libc::EIO) => look_at_record(fd),
            Some(number) => Err(io::Error::from_raw_os_error(self.errno(fd, Errno(number)).0)),
            None => Err(error),
        }
    }

    /// What an error of sending or receiving means: the kernel's TLS has its own, and up to Linux 6.12 it also calls a
    /// connection that is gone a bad message.
    pub fn errno(&self, fd: BorrowedFd<'_>, errno: Errno) -> Errno {
        match errno.0 {
            libc::EBADMSG | libc::EMSGSIZE | libc::EINVAL if ktls::is_gone(fd) => Errno::CONNRESET,
            libc::EBADMSG | libc::EMSGSIZE | libc::EINVAL => {
                warn!("what the peer sent is no TLS that could be read");
                Errno::PROTO
            }
            _ => errno,
        }
    }

    /// Says goodbye behind all that was sent. False if it has to be tried again when the socket has room; true also
    /// where it cannot be said any more.
    ///
    /// What the socket was too full for is in the kernel's hands by then, but not in TCP's, and closing the sending
    /// direction would cut it off. So this waits, for a moment, until it is, and is only called back when it was not.
    pub fn say_goodbye(&self, socket: &Socket) -> bool {
        let interest = Interest { fd: socket.as_fd(), read: false, write: true };
        let room = calls::wait([interest], Some(Duration::ZERO)).is_ok_and(|[socket]| socket.writable);
        if !room {
            return false;
        }
        let _ = socket.set_write_timeout(Some(PATIENCE));
        let begun = Instant::now();
        // A signal in the middle of it would make the kernel drop all that it has not sent. One that took long may be in
        // the kernel's list still: then another one says so behind it.
        match calls::with_signals_blocked(|| ktls::send_record(socket.as_fd(), ALERT, &[1, CLOSE_NOTIFY])) {
            Ok(()) => begun.elapsed() < PATIENCE,
            Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        }
    }
}

/// Takes a record that is not data: 0 is the end of the stream, `WouldBlock` that it was of no importance.
fn look_at_record(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes = [0; RECORD];
    let (kind, count) = ktls::take_record(fd, &mut bytes)?;
    match read_record(kind, &bytes[..count]) {
        Meaning::Goodbye => Ok(0),
        Meaning::Nothing => Err(io::ErrorKind::WouldBlock.into()),
        Meaning::Wrong(why) => {
            warn!("TLS in the kernel: {why}: the connection is dead");
            Err(io::Error::from_raw_os_error(libc::EPROTO))
        }
    }
}

/// What a record that is not data comes to.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    Goodbye,
    Nothing,
    Wrong(String),
}

fn read_record(kind: u8, bytes: &[u8]) -> Meaning {
    match (kind, bytes) {
        (ALERT, [_, CLOSE_NOTIFY]) => Meaning::Goodbye,
        (ALERT, [_, USER_CANCELED]) => Meaning::Nothing,
        (ALERT, [_, alert]) => Meaning::Wrong(format!("the drive has sent the alert {alert}")),
        (HANDSHAKE, bytes) => read_handshake(bytes),
        _ => Meaning::Wrong(format!("the drive has sent a record of type {kind} that nobody knows")),
    }
}

/// Messages with a type, a length in three bytes, and that many bytes. A ticket may go on in the next record, which is
/// not known here: such long ones are nobody's, and end the connection.
fn read_handshake(mut bytes: &[u8]) -> Meaning {
    while let [kind, a, b, c, rest @ ..] = bytes {
        let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        match (*kind, rest.get(len..)) {
            (NEW_SESSION_TICKET | HELLO_REQUEST, Some(behind)) => {
                debug!("a message of the handshake, type {kind}, is of no importance");
                bytes = behind;
            }
            (KEY_UPDATE, _) => {
                let why = "the drive has changed its keys, which cannot be handed to the kernel \
                           (KTLI_URING_FEATURES=-ktls leaves TLS to the driver, where they can be changed)";
                return Meaning::Wrong(why.into());
            }
            _ => {
                return Meaning::Wrong(format!("the drive has sent a message of the handshake, type {kind}"));
            }
        }
    }
    if bytes.is_empty() {
        Meaning::Nothing
    } else {
        Meaning::Wrong("the drive has sent half a message".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_are_no_data_are_told_apart() {
        let ticket = [NEW_SESSION_TICKET, 0, 0, 2, 7, 7];
        let two = [ticket, ticket].concat();
        assert_eq!(read_record(ALERT, &[1, CLOSE_NOTIFY]), Meaning::Goodbye);
        assert_eq!(read_record(ALERT, &[2, CLOSE_NOTIFY]), Meaning::Goodbye);
        assert_eq!(read_record(ALERT, &[1, USER_CANCELED]), Meaning::Nothing);
        for nothing in [&ticket[..], &two, &[HELLO_REQUEST, 0, 0, 0]] {
            assert_eq!(read_record(HANDSHAKE, nothing), Meaning::Nothing, "{nothing:?}");
        }
        for (kind, wrong, word) in [
            (ALERT, &[2, 20][..], "alert 20"),
            (ALERT, &[1], "type 21"),
            (23, &ticket, "type 23"),
            (HANDSHAKE, &ticket[..5], "type 4"),
            (HANDSHAKE, &two[..8], "half"),
            (HANDSHAKE, &[KEY_UPDATE, 0, 0, 1, 0], "-ktls"),
            (HANDSHAKE, &[1, 0, 0, 0], "type 1"),
        ] {
            let Meaning::Wrong(why) = read_record(kind, wrong) else { panic!("{kind} {wrong:?}") };
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn the_kernel_takes_over_only_what_has_no_limit() {
        let limit = |suite: &rustls::SupportedCipherSuite| match suite {
            rustls::SupportedCipherSuite::Tls12(suite) => suite.common.confidentiality_limit,
            rustls::SupportedCipherSuite::Tls13(suite) => suite.common.confidentiality_limit,
        };
        let suites = rustls::crypto::ring::default_provider().cipher_suites;
        assert!(suites.iter().any(|suite| is_suitable(suite.suite())));
        for suite in suites {
            assert_eq!(is_suitable(suite.suite()), limit(&suite) == u64::MAX, "{suite:?}");
        }
    }
}
