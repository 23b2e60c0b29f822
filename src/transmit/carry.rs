//! How bytes leave: what is on the wire and a message behind it, until the socket has taken all of it, in the operations
//! of the strategy. Runs on the thread that calls `send`.

use std::io::ErrorKind;

use log::warn;

use super::{Engine, LOOK, Message, Transmit};
use crate::{
    config::SendStrategy,
    deadline::Deadline,
    error::Errno,
    features::Feature,
    handoff::Wire,
    in_vain::InVain,
    ring,
    socket::{
        self, calls,
        segment::{Batch, Out, Outgoing},
    },
    statistics::Count,
    sync::MutexGuard,
};

impl Transmit {
    /// Sends what is on the wire, and then `message`. Has anything of a message left (`begun`)? Then the stream is broken
    /// if the rest does not.
    pub(super) fn send_all(
        &mut self,
        wire: &mut MutexGuard<'_, Wire>,
        mut message: Option<&mut Message<'_, '_>>,
        mut begun: bool,
        deadline: &Deadline,
    ) -> Result<(), Errno> {
        let mut first = true;
        let mut in_vain = InVain::new();
        let mut zero_copy = message.as_ref().is_some_and(|message| self.zero_copy.wants(message.left()));
        loop {
            let mut batch = Batch::new();
            batch.push(Outgoing::new(wire.pending()));
            if let Some(message) = &message {
                message.fill(message.left(), &mut batch);
            }
            if batch.bytes() == 0 {
                return Ok(());
            }
            if !first {
                self.check(begun, deadline)?;
            }
            let sent = match self.transmit(&batch, first, deadline, &mut zero_copy) {
                Ok(sent) => sent,
                Err(errno) if errno.is_shortage() => {
                    // In front of the first byte, too: whoever sends waits for a full socket just so. And if what is on
                    // the wire were left there, the next message that is staged would come on top of it, without end.
                    self.check(begun, deadline)?;
                    self.connection.statistics.sender.pauses.add(1);
                    in_vain.nap();
                    continue;
                }
                Err(errno) => return Err(self.give_up(errno, begun)),
            };
            first = false;
            in_vain = InVain::new();
            let of_wire = sent.min(wire.pending().len());
            let counters = &self.connection.statistics.sender;
            counters.flushed(wire.pending().len(), wire.messages(), of_wire);
            if sent < batch.bytes() {
                counters.short.add(1);
            }
            if sent > of_wire {
                counters.direct.add(1);
                counters.direct_bytes.add(sent - of_wire);
            }
            if let Some(message) = &mut message {
                message.advance(sent - of_wire);
                begun |= sent > of_wire;
            }
            wire.sent(of_wire);
        }
    }

    /// May a send that was cut short go on?
    fn check(&self, begun: bool, deadline: &Deadline) -> Result<(), Errno> {
        if self.connection.is_leaving() {
            return Err(self.give_up(Errno::CONNABORTED, begun));
        }
        if let Some(errno) = self.connection.send_error() {
            return Err(errno);
        }
        if deadline.is_over() { Err(self.time_out()) } else { Ok(()) }
    }

    /// The time limit of a send has passed.
    fn time_out(&self) -> Errno {
        let limit = self.connection.options.send_timeout;
        warn!("a send has not got through in {limit} ms: the connection is dead");
        self.connection.kill(Errno::TIMEDOUT)
    }

    /// One transmission, of one operation or a chain of them: at first what the socket takes at once, which usually is
    /// all; then in the way of the strategy, which waits. With `zero_copy` without a copy, which becomes false where
    /// that cannot be.
    fn transmit(
        &mut self,
        batch: &Batch<'_, Out>,
        first: bool,
        deadline: &Deadline,
        zero_copy: &mut bool,
    ) -> Result<usize, Errno> {
        let options = &self.connection.options;
        if first && !*zero_copy && !options.sqpoll && options.send_strategy == SendStrategy::Auto {
            self.connection.statistics.sender.sendmsgs.add(1);
            match calls::send(self.connection.fd(), batch) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                result => return Ok(result?),
            }
        }
        self.make_engine()?;
        if *zero_copy {
            if let Some(sent) = self.without_a_copy(batch, deadline)? {
                return Ok(sent);
            }
            *zero_copy = false;
        }
        let connection = &self.connection;
        let mut wait = || deadline.step(LOOK).filter(|_| !connection.is_leaving());
        let fd = connection.fd();
        let sent = match (&mut self.engine, connection.options.send_strategy) {
            // The kernel's TLS refuses MSG_WAITALL (EOPNOTSUPP), which each of these needs to send all.
            (Engine::Ring(ring), strategy)
                if connection.kernel_tls.is_some() && strategy != SendStrategy::Loop =>
            {
                ring::transmit::send_all(ring, fd, batch, false, &mut wait)?
            }
            (Engine::Ring(ring), SendStrategy::Auto | SendStrategy::Whole) => {
                ring::transmit::send_all(ring, fd, batch, true, &mut wait)?
            }
            (Engine::Ring(ring), SendStrategy::Loop) => {
                ring::stepwise::send_some(ring, fd, batch, &mut wait)?
            }
            (Engine::Ring(ring), SendStrategy::Chunked) => {
                let cut = || _ = connection.kill(Errno::IO);
                ring::chunked::send_chain(ring, fd, batch, &mut wait, &cut)?
            }
            _ => socket::transmit::send_all(fd, batch, &mut wait, &connection.statistics.sender)?,
        };
        let cut = sent < batch.bytes() && wait().is_none();
        if cut && matches!(&self.engine, Engine::Ring(ring) if !ring.has(Feature::CancelResult)) {
            // Where the stream stands is not known: nothing can follow.
            return Err(if self.connection.is_leaving() {
                self.connection.fail_send(Errno::CONNABORTED)
            } else {
                self.time_out()
            });
        }
        Ok(sent)
    }

    /// One operation that leaves the bytes where they are until the drive has acknowledged them. `None` where that
    /// cannot be had, for this message or at all.
    fn without_a_copy(
        &mut self,
        batch: &Batch<'_, Out>,
        deadline: &Deadline,
    ) -> Result<Option<usize>, Errno> {
        let connection = &self.connection;
        let strategy = connection.options.send_strategy;
        let Engine::Ring(ring) = &mut self.engine else {
            self.zero_copy.has_no_ring();
            return Ok(None);
        };
        if !matches!(strategy, SendStrategy::Auto | SendStrategy::Whole) {
            return Ok(None);
        }
        if !ring.has(Feature::SendmsgZc) {
            self.zero_copy.is_missing();
            return Ok(None);
        }
        let mut wait = || deadline.step(LOOK).filter(|_| !connection.is_leaving());
        // Whoever disconnects cuts this short if the drive does not take what it has got: see `remove_halves`.
        let mut patience = || deadline.step(LOOK).filter(|_| connection.send_error().is_none());
        let cut = || {
            if connection.send_error().is_none() {
                let limit = connection.options.send_timeout;
                warn!("a send was not acknowledged in {limit} ms: the connection is dead");
            }
            connection.reset(Errno::TIMEDOUT);
        };
        let sent = ring::zerocopy::send_all(ring, connection.fd(), batch, &mut wait, &mut patience, &cut);
        if let Some(errno) = connection.send_error() {
            // What the socket had taken was thrown away.
            return Err(errno);
        }
        match sent.result {
            Ok(count) => {
                let counters = &self.connection.statistics.sender;
                counters.zero_copy.add(1);
                counters.zero_copy_copied.add(sent.copied.into());
                self.zero_copy.sent(sent.copied);
                Ok(Some(count))
            }
            Err(error) => {
                let errno = Errno::from(error);
                if self.zero_copy.refuses(errno) { Ok(None) } else { Err(errno) }
            }
        }
    }

    /// Takes note that a send has failed. `begun`: a part of its message has left.
    fn give_up(&self, errno: Errno, begun: bool) -> Errno {
        let errno = self.connection.meaning(errno);
        match errno.0 {
            // The receiver's half finds out by itself, and may first have answers to hand out.
            libc::EPROTO
            | libc::EPIPE
            | libc::ECONNRESET
            | libc::ETIMEDOUT
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH => self.connection.fail_send(errno),
            // Whoever disconnects still reads until the drive has taken the messages before this one.
            libc::ECONNABORTED if begun => self.connection.fail_send(errno),
            // Nothing of the message has left (EFAULT, or somebody disconnects and will look after the messages
            // before this one): the stream is whole.
            _ if !begun => errno,
            // The peer waits for bytes that will never come.
            _ => self.connection.kill(errno),
        }
    }
}
