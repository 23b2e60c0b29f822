//! The drive as a client of another drive.

mod anyone;
mod lookup;
mod stream;

use std::io::{self, Read as _, Write as _};

use bytes::Bytes;

use crate::patience::Patience;
use crate::protocol::{
    Answer, Body, Command, Encoded, Header, HmacKey, KeyValue, MessageType, PDU_SIZE, Pdu, Peer,
    PeerOperation, RequestBuilder, StatusCode,
};
use crate::text::shorten;
use stream::Stream;

pub use anyone::client_config;
pub(crate) use lookup::Lookups;

/// The longest message that is taken from another drive, in bytes.
const LONGEST_MESSAGE: u32 = 2 << 20;

/// The longest text that is passed on from another drive, in bytes.
const LONGEST_TEXT: usize = 100;

/// Who speaks to the other drive: the one whose request it is.
pub(crate) struct Voice<'a> {
    pub identity: i64,
    pub key: &'a HmacKey,
    pub cluster_version: i64,
}

/// A connection to another drive.
pub(crate) struct Link<'a> {
    stream: Stream<'a>,
    patience: &'a Patience<'a>,
    builder: RequestBuilder,
    /// The longest value the other drive takes, if it says.
    max_value_size: Option<u32>,
}

impl<'a> Link<'a> {
    /// Connects to another drive and hears what it says first.
    ///
    /// # Errors
    ///
    /// If it cannot be reached in time, or is no Kinetic drive.
    pub fn connect(
        peer: &Peer,
        voice: &Voice<'_>,
        patience: &'a Patience<'a>,
        lookups: &Lookups,
    ) -> io::Result<Self> {
        // Checked by whoever made the request out.
        let port = u16::try_from(peer.port()).map_err(io::Error::other)?;
        let addresses = lookups.find(peer.hostname(), port, patience)?;
        let stream = Stream::connect(&addresses, peer.tls(), patience)?;
        let builder = RequestBuilder {
            connection_id: 0,
            sequence: 1,
            cluster_version: voice.cluster_version,
            identity: voice.identity,
            key: voice.key.clone(),
        };
        let mut link = Self { stream, patience, builder, max_value_size: None };
        let hello = link.receive()?;
        if !hello.unsolicited || hello.status() != StatusCode::Success {
            return Err(unexpected(&hello));
        }
        link.builder.connection_id = hello.connection_id().unwrap_or_default();
        let limits = hello.get_log().and_then(|log| log.limits.as_ref());
        link.max_value_size = limits.and_then(|limits| limits.max_value_size);
        Ok(link)
    }

    /// The longest value the other drive takes in bytes.
    pub fn max_value_size(&self) -> usize {
        self.max_value_size.map_or(usize::MAX, |size| size as usize)
    }

    /// Has the other drive store an entry.
    pub fn put(&mut self, key_value: KeyValue, value: &Bytes) -> io::Result<Answer> {
        let body = Body { key_value: Some(key_value), ..Body::default() };
        // Its length was compared with the other drive's limit.
        self.ask(MessageType::Put, body, value.len() as u32, value)
    }

    /// Has the other drive send entries on.
    pub fn push(&mut self, operation: PeerOperation) -> io::Result<Answer> {
        let body = Body { peer_operation: Some(Box::new(operation)), ..Body::default() };
        self.ask(MessageType::PeerToPeerPush, body, 0, b"")
    }

    fn request(&mut self, message_type: MessageType, body: Body, value_len: u32) -> Encoded {
        // The other drive has to give up a little earlier, so that its answer
        // gets here.
        let left = self.patience.left();
        let timeout = (left / 8 * 7).as_millis() as u64;
        let header = Header {
            cluster_version: Some(self.builder.cluster_version),
            connection_id: Some(self.builder.connection_id),
            sequence: Some(self.builder.sequence),
            message_type: Some(message_type.into()),
            timeout: Some(timeout.max(1)),
            ..Header::default()
        };
        self.builder.command(&Command { header: Some(header), body: Some(body), status: None }, value_len)
    }

    fn ask(
        &mut self,
        message_type: MessageType,
        body: Body,
        value_len: u32,
        value: &[u8],
    ) -> io::Result<Answer> {
        let request = self.request(message_type, body, value_len);
        let mut message = Vec::with_capacity(PDU_SIZE + request.message.len());
        request.append_to(&mut message);
        self.stream.write_all(&message)?;
        self.stream.write_all(value)?;
        let answer = self.receive()?;
        // An answer to something else may not even have to be signed.
        if answer.unsolicited
            || answer.ack_sequence() != Some(request.sequence)
            || Some(answer.message_type()) != message_type.response()
        {
            return Err(unexpected(&answer));
        }
        Ok(answer)
    }

    fn receive(&mut self) -> io::Result<Answer> {
        let mut header = [0; PDU_SIZE];
        self.stream.read_exact(&mut header)?;
        let pdu = Pdu::decode(&header).map_err(io::Error::other)?;
        // None of the answers to what is sent here has a value.
        pdu.check(LONGEST_MESSAGE, 0).map_err(io::Error::other)?;
        let mut message = Vec::new();
        let len = u64::from(pdu.message_len);
        if (&mut self.stream).take(len).read_to_end(&mut message)? < pdu.message_len as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Answer::decode(&message, &self.builder.key).map_err(io::Error::other)
    }
}

/// What a drive said, short enough to be passed on.
pub(crate) fn text(answer: &Answer) -> String {
    let mut text = answer.status_message().to_owned();
    shorten(&mut text, LONGEST_TEXT);
    text
}

fn unexpected(answer: &Answer) -> io::Error {
    io::Error::other(format!("unexpected answer with status {:?}: {}", answer.status(), text(answer)))
}
