//! What the driver has to do, told from what was done with it and what the peer has done.

use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
};

use ktli_uring::fuzzing::{DIRECT, Features, Framing, NEEDED, Need, PDU, READ_AHEAD};

use crate::{
    driver::{self, Choice, Handle, Result},
    input::Input,
    peer::{self, Peer},
};

/// So much is in the sockets' buffers at the least before a send has to wait for the peer.
const ROOM: usize = 64 << 10;

/// How long to wait for what is there: long enough for any machine.
const PATIENCE: i32 = 10_000;

/// What a connection may say when it is over.
const ENDS: [i32; 4] = [libc::ECONNRESET, libc::EPIPE, libc::ETIMEDOUT, libc::EPROTO];

/// Descriptors when the first input was done.
static DESCRIPTORS: AtomicUsize = AtomicUsize::new(0);
static INPUTS: AtomicUsize = AtomicUsize::new(0);

pub struct Model {
    choice: Choice,
    handle: Handle,
    /// Handles that were closed.
    stale: Vec<Handle>,
    connection: Option<Connection>,
    /// The peer does not read while it is sent to, so that a send may fill the sockets, and take its time limit. Few
    /// inputs do that.
    patient: bool,
    /// Makes the bytes of messages.
    seed: u8,
}

struct Connection {
    /// `None`: it has closed.
    peer: Option<Peer>,
    /// What the peer will write next.
    outbox: Vec<u8>,
    /// What it has written and the driver has not handed out.
    pending: Vec<u8>,
    framing: Framing,
    /// The peer sends no more; what it has sent may be lost.
    ended: bool,
    torn: bool,
    /// What the driver has accepted and the peer has not read.
    accepted: Vec<u8>,
    /// A message that the driver has not accepted, of which a part may arrive.
    refused: Vec<u8>,
    /// The driver has said that the connection is over.
    dead: bool,
}

impl Model {
    pub fn new(input: &mut Input<'_>) -> Self {
        let (first, second) = (input.byte(), input.byte());
        let choice = Choice {
            uring: first & 1 == 0,
            framing: first & 6 != 6,
            report_hangup: first & 0b1_1000 == 0b1_1000,
            spin: first & 0b110_0000 == 0b110_0000,
            zero_copy: second & 3 == 3,
            strategy: if second & 4 == 0 { 0 } else { second >> 3 & 3 },
            features_off: if first & 0x80 == 0 { 0 } else { features(input) },
        };
        driver::configure(&choice);
        Model {
            choice,
            handle: Handle::open(),
            stale: Vec::new(),
            connection: None,
            patient: second & 0xe0 == 0xe0,
            seed: 1,
        }
    }

    pub fn step(&mut self, step: u8, input: &mut Input<'_>) {
        match step % 16 {
            0 => self.connect(input.byte()),
            1 | 2 => self.send_frame(input),
            3 => self.send_pieces(input),
            4 => drop(self.poll(i32::from(input.byte() % 3))),
            5..=7 => self.receive_message(),
            8 => self.receive_pieces(input),
            9 | 10 => self.write_frame(input),
            11 => self.write_more(input),
            12 => self.read(),
            13 => match step >> 4 {
                0..4 => self.end_peer(input.byte()),
                4..8 => self.write_bytes(input),
                _ => self.misuse(input),
            },
            14 => match step >> 4 {
                0..12 => self.disconnect(),
                _ => self.reopen(),
            },
            _ => match step >> 4 {
                0..4 => self.misuse(input),
                _ => self.write_bytes(input),
            },
        }
    }

    /// Closes everything; nothing is left.
    pub fn end(mut self) {
        self.leave(Handle::close);
        assert_eq!(self.handle.close(), Err(libc::EBADF));
        if INPUTS.fetch_add(1, Ordering::Relaxed).is_multiple_of(64) {
            let count = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
            let first = DESCRIPTORS.compare_exchange(0, count, Ordering::Relaxed, Ordering::Relaxed);
            // libFuzzer has some of its own now and then.
            assert!(first.is_ok() || first.is_err_and(|first| count < first + 20), "{count} descriptors");
        }
    }

    // The session's life. ------------------------------------------------------------------------------------------

    fn connect(&mut self, kind: u8) {
        if kind >= 0xf0 {
            assert_eq!(self.handle.connect_nowhere(), Err(libc::EINVAL));
        } else if kind >= 0xe0 {
            assert_eq!(self.handle.connect(peer::port(), true), Err(libc::EPROTONOSUPPORT));
        } else if self.connection.is_some() {
            assert_eq!(self.handle.connect(peer::port(), false), Err(libc::EISCONN));
        } else if kind >= 0xd0 {
            assert_eq!(self.handle.connect(peer::deaf_port(), false), Err(libc::ECONNREFUSED));
        } else {
            assert_eq!(self.handle.connect(peer::port(), false), Ok(0));
            self.connection = Some(Connection {
                peer: Some(Peer::accept()),
                outbox: Vec::new(),
                pending: Vec::new(),
                framing: Framing::new(self.choice.framing, DIRECT, READ_AHEAD),
                ended: false,
                torn: false,
                accepted: Vec::new(),
                refused: Vec::new(),
                dead: false,
            });
        }
    }

    fn disconnect(&mut self) {
        self.leave(Handle::disconnect);
        assert_eq!(self.handle.disconnect(), Ok(0));
    }

    fn reopen(&mut self) {
        self.leave(Handle::close);
        self.stale.push(self.handle);
        self.handle = Handle::open();
        assert!(self.stale.iter().all(|stale| *stale != self.handle));
    }

    /// Disconnects or closes: what was accepted arrives.
    fn leave(&mut self, call: impl Fn(Handle) -> Result) {
        let Some(mut connection) = self.connection.take() else {
            assert_eq!(call(self.handle), Ok(0));
            return;
        };
        let reading = connection.peer.take().map(Peer::finish);
        assert_eq!(call(self.handle), Ok(0));
        if let Some(reading) = reading {
            connection.check(&reading.join().expect("reading does not panic"));
            if !connection.dead && !connection.ended && connection.refused.is_empty() {
                assert!(connection.accepted.is_empty(), "{} bytes are lost", connection.accepted.len());
            }
        }
    }

    // Sending. -----------------------------------------------------------------------------------------------------

    fn message(&mut self, bytes: usize) -> Vec<u8> {
        self.seed = self.seed.wrapping_add(1);
        (0..bytes).map(|at| (at ^ at >> 8) as u8 ^ self.seed).collect()
    }

    fn frame(&mut self, message: usize, value: usize) -> Vec<u8> {
        let mut frame = vec![b'F'];
        frame.extend((message as u32).to_be_bytes());
        frame.extend((value as u32).to_be_bytes());
        frame.extend(self.message(message + value));
        frame
    }

    /// As libkinetic does.
    fn send_frame(&mut self, input: &mut Input<'_>) {
        let (message, value) = (usize::from(input.byte()), input.size());
        let frame = self.frame(message, value);
        let (pdu, body) = frame.split_at(PDU);
        let (message, value) = body.split_at(message);
        let pieces = [pdu, message, value];
        self.send(if value.is_empty() { &pieces[..2] } else { &pieces });
    }

    /// Any vector.
    fn send_pieces(&mut self, input: &mut Input<'_>) {
        let count = usize::from(input.byte());
        let lengths: Vec<usize> = input.bytes(count).iter().map(|length| usize::from(*length)).collect();
        let bytes = self.message(lengths.iter().sum());
        let mut rest = &bytes[..];
        let mut pieces = Vec::new();
        for length in lengths {
            let (piece, tail) = rest.split_at(length);
            pieces.push(piece);
            rest = tail;
        }
        self.send(&pieces);
    }

    fn send(&mut self, pieces: &[&[u8]]) {
        let bytes = pieces.concat();
        let handle = self.handle;
        let crowded = self.connection.as_ref().is_some_and(|connection| connection.crowded(bytes.len()));
        let (result, read) = match self.connection.as_mut().and_then(|connection| connection.peer.as_mut()) {
            Some(peer) if crowded && !self.patient => peer.read_while(|| handle.send(pieces)),
            _ => (handle.send(pieces), Vec::new()),
        };
        let Some(connection) = &mut self.connection else {
            assert_eq!(result, Err(libc::ENOTCONN));
            return;
        };
        match result {
            Ok(count) => {
                assert_eq!(count, bytes.len());
                assert!(!connection.dead, "a send on a dead connection");
                connection.accepted.extend(bytes);
            }
            Err(errno) => {
                assert!(ENDS.contains(&errno), "send: errno {errno}");
                let reason = connection.dead || connection.ended || crowded && self.patient;
                assert!(reason, "send: errno {errno} without a reason");
                if connection.refused.is_empty() {
                    connection.refused = bytes;
                }
                connection.dead = true;
            }
        }
        connection.check(&read);
    }

    // Receiving. ---------------------------------------------------------------------------------------------------

    /// True if a message is announced.
    fn poll(&mut self, timeout: i32) -> bool {
        let Some(connection) = &mut self.connection else {
            assert_eq!(self.handle.poll(timeout), Ok(0));
            return false;
        };
        let need = connection.framing.need(&connection.pending);
        let over = connection.dead || connection.ended;
        let due = need == Need::Nothing && !connection.dead && !connection.torn;
        let ready = self.handle.poll(if due { PATIENCE } else { timeout }).expect("poll does not fail");
        assert!(ready <= 1);
        if due {
            assert_eq!(ready, 1, "a message is there and not announced");
        }
        let hangup = self.choice.report_hangup && (over || matches!(need, Need::Garbage(_)));
        if need != Need::Nothing && !hangup {
            assert_eq!(ready, 0, "a message is announced and not there");
        }
        if let Need::Garbage(_) = need {
            connection.dead = true;
        }
        ready == 1
    }

    /// As libkinetic does.
    fn receive_message(&mut self) {
        if !self.poll(0) {
            return;
        }
        let Some(connection) = &mut self.connection else { return };
        if !connection.framing.at_border() || !self.choice.framing {
            let rest = connection.framing.body().min(connection.pending.len());
            self.receive(&[rest]);
            return;
        }
        // With a hangup that is reported there may be nothing.
        let sure = !self.choice.report_hangup || !(connection.dead || connection.ended);
        let received = self.receive(&[PDU]);
        assert!(received || !sure, "the PDU of an announced message cannot be received");
        let Some(connection) = self.connection.as_mut().filter(|_| received) else { return };
        let (body, value) = (connection.framing.body(), connection.framing.value_size());
        let received = self.receive(&[body - value, value]);
        let announced = value < DIRECT && PDU + body <= READ_AHEAD;
        assert!(received || !sure || !announced, "an announced message cannot be received");
    }

    /// Any vector, in the middle of anything.
    fn receive_pieces(&mut self, input: &mut Input<'_>) {
        let count = usize::from(input.byte() % 80);
        let lengths: Vec<usize> = input.bytes(count).iter().map(|length| usize::from(*length)).collect();
        self.receive(&lengths);
    }

    /// True if all of it was filled. Does nothing where the driver would wait for ever.
    fn receive(&mut self, lengths: &[usize]) -> bool {
        let total = lengths.iter().sum();
        let mut pieces: Vec<Vec<u8>> = lengths.iter().map(|length| vec![0xa5; *length]).collect();
        let Some(connection) = &mut self.connection else {
            assert_eq!(self.handle.receive(&mut pieces), Err(libc::ENOTCONN));
            return false;
        };
        let over = connection.dead || connection.ended;
        let there = connection.pending.len() >= total;
        if !there && !over {
            return false;
        }
        let garbage = matches!(connection.framing.need(&connection.pending), Need::Garbage(_));
        match self.handle.receive(&mut pieces) {
            Ok(count) => {
                assert_eq!(count, total);
                assert!(there, "bytes that nobody has sent");
                let bytes: Vec<u8> = connection.pending.drain(..total).collect();
                assert!(pieces.concat() == bytes, "other bytes than were sent");
                assert!(connection.framing.take(&bytes).is_ok(), "bytes that are no PDU");
                true
            }
            Err(errno) => {
                assert!(ENDS.contains(&errno), "receive: errno {errno}");
                let bad = garbage || there && connection.framing.take(&connection.pending[..total]).is_err();
                assert!(bad || over, "receive: errno {errno} without a reason");
                connection.dead = true;
                false
            }
        }
    }

    // The peer. ----------------------------------------------------------------------------------------------------

    fn write_frame(&mut self, input: &mut Input<'_>) {
        let (message, value) = (usize::from(input.byte()), input.size());
        let frame = self.frame(message, value);
        if let Some(connection) = &mut self.connection {
            connection.outbox.extend(frame);
            connection.write(usize::MAX);
        }
    }

    /// The beginning of a frame, or what is left of it.
    fn write_more(&mut self, input: &mut Input<'_>) {
        let (count, message) = (input.size(), usize::from(input.byte()));
        let frame = self.frame(message, usize::from(self.seed) << 8);
        if let Some(connection) = &mut self.connection {
            if connection.outbox.is_empty() {
                connection.outbox = frame;
            }
            connection.write(count);
        }
    }

    /// Whatever the input has.
    fn write_bytes(&mut self, input: &mut Input<'_>) {
        let count = usize::from(input.byte() % 32);
        let bytes = input.bytes(count);
        if let Some(connection) = &mut self.connection {
            connection.outbox.extend(bytes);
            connection.write(usize::MAX);
        }
    }

    fn read(&mut self) {
        if let Some(connection) = &mut self.connection
            && let Some(peer) = &mut connection.peer
        {
            let bytes = peer.read();
            connection.check(&bytes);
        }
    }

    fn end_peer(&mut self, kind: u8) {
        let Some(connection) = &mut self.connection else { return };
        connection.ended = true;
        if kind.is_multiple_of(3) {
            if let Some(peer) = &mut connection.peer {
                peer.shut_down();
            }
            return;
        }
        connection.torn = true;
        match connection.peer.take() {
            Some(peer) if kind % 3 == 1 => peer.close(),
            Some(peer) => peer.reset(),
            None => {}
        }
    }

    // Wrong use. ---------------------------------------------------------------------------------------------------

    fn misuse(&mut self, input: &mut Input<'_>) {
        let kind = input.byte();
        let (returned, wanted) = self.handle.misuse(kind >= 128, kind);
        assert_eq!(returned, Err(wanted));
        let (wrong, errno) = match kind % 3 {
            0 => (Handle::NULL, libc::EINVAL),
            1 => (Handle::made_up(kind), libc::EBADF),
            _ => (self.stale.last().copied().unwrap_or(Handle::made_up(kind)), libc::EBADF),
        };
        assert_eq!(wrong.connect(peer::port(), false), Err(errno));
        assert_eq!(wrong.send(&[b"F"]), Err(errno));
        assert_eq!(wrong.receive(&mut [vec![0]]), Err(errno));
        assert_eq!(wrong.disconnect(), Err(errno));
        assert_eq!(wrong.close(), Err(errno));
        let polled = wrong.poll(0);
        assert!(polled == Err(errno) || polled == Ok(0) && kind % 3 == 2);
    }
}

/// Features to switch off, most of them such that there are rings without them.
fn features(input: &mut Input<'_>) -> u64 {
    let bits = input.bytes(3).iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    let needed = NEEDED.iter().fold(Features::NONE, |needed, feature| needed.with(*feature, true));
    let optional = Features::from_bits(bits).without(needed).bits();
    if bits % 8 == 7 { Features::from_bits(bits).bits() } else { optional }
}

impl Connection {
    /// Would a message of so many bytes have to wait for the peer?
    fn crowded(&self, bytes: usize) -> bool {
        self.accepted.len() + bytes > ROOM
    }

    /// The peer writes so much of what it has to.
    fn write(&mut self, count: usize) {
        let count = count.min(self.outbox.len());
        let Some(peer) = self.peer.as_mut().filter(|_| !self.ended) else { return };
        match peer.write(&self.outbox[..count]) {
            Some(count) => self.pending.extend(self.outbox.drain(..count)),
            None => {
                assert!(self.dead, "the driver has closed the connection without a word");
                self.ended = true;
                self.torn = true;
            }
        }
    }

    /// What the peer has read is what was accepted, and then at most a part of what was not.
    fn check(&mut self, bytes: &[u8]) {
        let count = bytes.len().min(self.accepted.len());
        assert!(self.accepted[..count] == bytes[..count], "the peer got other bytes than were sent");
        self.accepted.drain(..count);
        let rest = &bytes[count..];
        assert!(self.refused.starts_with(rest), "the peer got bytes that were not sent");
        self.refused.drain(..rest.len());
    }
}
