//! The bare peer: it knows frames and nothing else, so that it is never what is measured.
//!
//! It runs in a process of its own, a thread for each connection. What one read has brought is answered with
//! one write. A connection whose first byte is one of TLS gets TLS.

use std::{
    io::{self, IoSlice, Read, Write},
    net::{Ipv4Addr, TcpListener},
    sync::Arc,
    thread,
};

use kinetic_drive::protocol::{MAGIC, PDU_SIZE, Pdu};
use ktli_client::secure::server_config;

use crate::{cpu, frame, secure::Secure};

/// How much is read at a time.
const READ: usize = 256 << 10;
/// Values up to this size are copied beside their messages.
const INLINE: usize = 16 << 10;
/// How many bytes of answers gather before they are sent.
const GATHER: usize = 256 << 10;
/// The largest value.
pub const LARGEST: usize = 16 << 20;

/// Serves connections for ever, on the processor `pin`, if any.
pub fn serve(port: u16, pin: Option<usize>) -> io::Result<()> {
    if let Some(processor) = pin {
        cpu::pin(&[processor])?;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    println!("listening on {}", listener.local_addr()?);
    let value: &'static [u8] = vec![0x56; LARGEST].leak();
    let tls = server_config(rustls::DEFAULT_VERSIONS)?;
    loop {
        let (stream, _) = listener.accept()?;
        let tls = Arc::clone(&tls);
        // A client that goes away ends its thread, and nothing else.
        thread::Builder::new().stack_size(128 << 10).spawn(move || {
            stream.set_nodelay(true)?;
            let mut first = [0];
            stream.peek(&mut first)?;
            if first[0] == MAGIC {
                connection(stream, value)
            } else {
                connection(Secure::accept(stream, tls)?, value)
            }
        })?;
    }
}

fn connection(mut stream: impl Read + Write, value: &'static [u8]) -> io::Result<()> {
    let mut buffer = vec![0; READ];
    let mut end = 0;
    // Bytes of a value that are still to come, and the answer that is to follow them.
    let mut skip = 0;
    let mut owed = None;
    let mut answers = Answers { inline: Vec::with_capacity(GATHER + INLINE), value };
    loop {
        let count = stream.read(&mut buffer[end..])?;
        if count == 0 {
            return Ok(());
        }
        end += count;
        let mut start = 0;
        loop {
            let skipped = skip.min(end - start);
            start += skipped;
            skip -= skipped;
            if skip > 0 {
                break;
            }
            if let Some(back) = owed.take() {
                answers.push(back, &mut stream)?;
            }
            let rest = &buffer[start..end];
            let Some(header) = rest.first_chunk() else { break };
            let pdu = Pdu::decode(header).map_err(io::Error::other)?;
            let message = pdu.message_len as usize;
            if message > READ / 2 {
                return Err(io::Error::other("a message that is too long"));
            }
            let Some(message) = rest.get(PDU_SIZE..PDU_SIZE + message) else { break };
            owed = Some(frame::wanted(message).unwrap_or(0).min(LARGEST));
            start += PDU_SIZE + message.len();
            skip = pdu.value_len as usize;
        }
        buffer.copy_within(start..end, 0);
        end -= start;
        answers.flush(&mut stream)?;
    }
}

/// Answers that are not sent yet.
struct Answers {
    inline: Vec<u8>,
    value: &'static [u8],
}

impl Answers {
    /// Adds an answer with a value of `size` bytes.
    fn push(&mut self, size: usize, stream: &mut impl Write) -> io::Result<()> {
        self.inline.extend_from_slice(&frame::answer(size));
        let value = &self.value[..size];
        if size <= INLINE {
            self.inline.extend_from_slice(value);
            if self.inline.len() >= GATHER {
                self.flush(stream)?;
            }
            return Ok(());
        }
        let mut slices = [IoSlice::new(&self.inline), IoSlice::new(value)];
        write_all(stream, &mut slices)?;
        self.inline.clear();
        Ok(())
    }

    fn flush(&mut self, stream: &mut impl Write) -> io::Result<()> {
        if !self.inline.is_empty() {
            stream.write_all(&self.inline)?;
            self.inline.clear();
        }
        Ok(())
    }
}

fn write_all(stream: &mut impl Write, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        let count = stream.write_vectored(slices)?;
        IoSlice::advance_slices(&mut slices, count);
    }
    Ok(())
}
