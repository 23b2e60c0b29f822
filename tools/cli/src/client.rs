//! A connection to a drive, through the driver's own C interface.

use std::{io, sync::Arc, time::Duration};

use kinetic_drive::protocol::{
    Algorithm, Answer, Encoded, GetLog, HmacKey, KeyValue, LogType, MessageType, RequestBuilder, StatusCode,
};
use ktli_client::{
    driver::{URING, configure},
    session::{Request, Session},
};
use ktli_uring::ffi::control::KTLI_URING_HANGUP_REPORT;
use sha1::{Digest, Sha1};

use crate::{
    failure::{Code, Failure, Result},
    target::{Address, Target},
};

/// What a drive takes that does not say it: 1 MiB, as all drives of today.
const USUAL_VALUE: u32 = 1 << 20;
/// Keys of one range request to a drive that does not say how many it gives.
const USUAL_RANGE: u32 = 200;

/// A connection whose greeting has come.
pub struct Client {
    session: Session,
    /// Makes requests.
    pub builder: RequestBuilder,
    key: HmacKey,
    address: Address,
    timeout: Duration,
    greeting: Answer,
}

/// Flags of a put or a delete.
#[derive(clap::Args, Clone, Copy)]
pub struct Force {
    /// Ignore which version the drive's entry has
    #[arg(long)]
    pub force: bool,
}

impl Client {
    /// Connects, and receives the drive's greeting.
    pub fn connect(target: &Target) -> Result<Client> {
        quieten();
        let secret = target.secret()?;
        let address = target.drive.clone();
        configure(|config| {
            // A lost connection is to be told at once; by default it runs into the time-out, for libkinetic's sake.
            config.hangup = KTLI_URING_HANGUP_REPORT;
            config.connect_timeout = target.timeout.as_millis() as u32;
        })
        .map_err(|error| Failure::other(format!("the driver's options: {error}")))?;
        let session = Session::connect_to(URING, &address.host, address.port)
            .map_err(|error| Failure::connection(&address, error))?;
        let key = HmacKey::new(&secret);
        let (greeting, _) = receive(&session, &key, &address, target.timeout)?;
        let connection = greeting.connection_id();
        let builder = RequestBuilder::with_identity(connection.unwrap_or(0), target.identity, &secret);
        let client = Client { session, builder, key, address, timeout: target.timeout, greeting };
        if client.greeting.status() != StatusCode::Success || connection.is_none() {
            return Err(Failure::refused(&client.address, &client.greeting));
        }
        Ok(client)
    }

    /// The log that the drive greets with: what it is, and its limits.
    pub fn greeting(&self) -> Option<&GetLog> {
        self.greeting.get_log()
    }

    /// The largest value that the drive takes, in bytes.
    pub fn max_value_size(&self) -> usize {
        let limits = self.greeting().and_then(|log| log.limits.as_ref());
        limits.and_then(|limits| limits.max_value_size).unwrap_or(USUAL_VALUE) as usize
    }

    /// The most keys that the drive gives at a time.
    pub fn max_range(&self) -> u32 {
        let limits = self.greeting().and_then(|log| log.limits.as_ref());
        limits.and_then(|limits| limits.max_key_range_count).unwrap_or(USUAL_RANGE).max(1)
    }

    /// Sends a request.
    pub fn submit(&self, encoded: Encoded, value: Arc<[u8]>) -> Result<()> {
        let sent = self.session.submit(Request { encoded, value });
        sent.map_err(|error| Failure::connection(&self.address, error))
    }

    /// The next answer and its value.
    pub fn answer(&self) -> Result<(Answer, Vec<u8>)> {
        let (answer, value) = receive(&self.session, &self.key, &self.address, self.timeout)?;
        if answer.unsolicited {
            return Err(Failure::refused(&self.address, &answer));
        }
        Ok((answer, value))
    }

    /// Sends a request and waits for its answer.
    pub fn ask(&self, encoded: Encoded, value: Arc<[u8]>) -> Result<(Answer, Vec<u8>)> {
        let sequence = encoded.sequence;
        self.submit(encoded, value)?;
        let (answer, value) = self.answer()?;
        if answer.ack_sequence() != Some(sequence) {
            return Err(Failure::other(format!("{}: the answer is to another request", self.address)));
        }
        Ok((answer, value))
    }

    /// A request that stores `value`, with its SHA-1 as tag.
    pub fn put_request(&mut self, key: &[u8], value: &[u8], force: Force) -> Encoded {
        let entry = KeyValue {
            key: Some(key.to_vec().into()),
            tag: Some(Sha1::digest(value).to_vec().into()),
            algorithm: Some(Algorithm::Sha1.into()),
            force: Some(force.force),
            ..KeyValue::default()
        };
        // No value that the drive's limit lets pass is longer than that.
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.builder.key_value(MessageType::Put, entry, length)
    }

    /// Stores a value.
    pub fn put(&mut self, key: &[u8], name: &str, value: Vec<u8>, force: Force) -> Result<()> {
        let request = self.put_request(key, &value, force);
        let (answer, _) = self.ask(request, value.into())?;
        success(name, &answer)
    }

    /// Reads a value.
    pub fn get(&mut self, key: &[u8], name: &str) -> Result<Vec<u8>> {
        let request = self.builder.get(key);
        let (answer, value) = self.ask(request, Arc::default())?;
        success(name, &answer)?;
        check(name, &answer, &value)?;
        Ok(value)
    }

    /// A request that removes an entry.
    pub fn delete_request(&mut self, key: &[u8], force: Force) -> Encoded {
        let entry =
            KeyValue { key: Some(key.to_vec().into()), force: Some(force.force), ..KeyValue::default() };
        self.builder.key_value(MessageType::Delete, entry, 0)
    }

    /// Removes an entry.
    pub fn delete(&mut self, key: &[u8], name: &str, force: Force) -> Result<()> {
        let request = self.delete_request(key, force);
        let (answer, _) = self.ask(request, Arc::default())?;
        success(name, &answer)
    }

    /// One of the drive's logs.
    pub fn log(&mut self, log: LogType) -> Result<GetLog> {
        let request = self.builder.get_log(&[log]);
        let (answer, _) = self.ask(request, Arc::default())?;
        success(format!("{log:?}"), &answer)?;
        Ok(answer.get_log().cloned().unwrap_or_default())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A receiver that waits for the rest of an answer returns.
        let _ = self.session.disconnect();
    }
}

/// Keeps the driver's log lines from stderr, unless `KTLI_URING_LOG` asks for some: what goes wrong is told once.
fn quieten() {
    struct Nowhere;
    impl log::Log for Nowhere {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            false
        }

        fn log(&self, _: &log::Record<'_>) {}

        fn flush(&self) {}
    }
    if std::env::var_os("KTLI_URING_LOG").is_none() {
        // The driver keeps a program's own logger. There is none yet.
        let _ = log::set_logger(&Nowhere);
    }
}

/// A refusal as a failure.
pub fn success(what: impl std::fmt::Display, answer: &Answer) -> Result<()> {
    if answer.status() == StatusCode::Success { Ok(()) } else { Err(Failure::refused(what, answer)) }
}

/// Compares a value with its tag, where that is a SHA-1.
pub fn check(name: &str, answer: &Answer, value: &[u8]) -> Result<()> {
    let entry = answer.key_value();
    let tag = entry.filter(|entry| entry.algorithm == Some(Algorithm::Sha1.into()));
    match tag.and_then(|entry| entry.tag.as_ref()) {
        Some(tag) if tag.len() == 20 && Sha1::digest(value)[..] != tag[..] => {
            Err(Failure::other(format!("{name}: the value is damaged: it does not match its SHA-1 tag")))
        }
        _ => Ok(()),
    }
}

fn receive(
    session: &Session,
    key: &HmacKey,
    address: &Address,
    timeout: Duration,
) -> Result<(Answer, Vec<u8>)> {
    let raw = session.answer(timeout).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => {
            Failure::new(Code::Unreachable, format!("{address}: no answer in {} s", timeout.as_secs_f64()))
        }
        io::ErrorKind::ConnectionReset => {
            Failure::new(Code::Unreachable, format!("{address}: the drive has closed the connection"))
        }
        _ => Failure::connection(address, error),
    })?;
    let answer = Answer::decode(&raw.message, key)
        .map_err(|error| Failure::new(Code::Denied, format!("{address}: {error} (check the secret)")))?;
    Ok((answer, raw.value))
}
