//! Large values, straight into the caller's memory: runs on the receiver's thread.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{AFTER_DIRECT, Receive};
use crate::{
    error::Errno,
    iovec::Cursor,
    low_water::LowWater,
    socket::{
        calls,
        segment::{Batch, In, Incoming},
    },
    statistics::Count,
    waiting::Waited,
};

/// How long to wait at a time under a mark: one that is never reached, for whatever reason, costs
/// this and not the connection.
const PATIENCE: Duration = Duration::from_millis(20);

/// What one call has brought.
enum Brought {
    /// Some bytes.
    Some,
    /// None of so many.
    NoneOf(usize),
}

impl Receive {
    /// Do large values go straight into the caller's memory? Not what is decrypted here; and where the kernel does that,
    /// the mark is mostly not reached, since it counts what is encrypted (6 MiB took 2.5 s on Linux 6.12).
    pub(super) fn takes_directly(&self) -> bool {
        self.sealed.is_none() && self.connection.kernel_tls.is_none()
    }

    /// Receives the next `count` bytes, or those of them that are there; waits where nothing is.
    pub(super) fn directly(&mut self, into: &mut Cursor<'_, '_, In>, count: usize) -> Result<Waited, Errno> {
        // Copying that much takes a while, in which the drive can work on what is staged.
        let connection = Arc::clone(&self.connection);
        let counters = &connection.statistics.receiver;
        connection.flush_now(&**counters);
        let Brought::NoneOf(missing) = self.take_directly(into, count)? else { return Ok(Waited::Done) };
        let value = self.framing.value_size();
        if let Some(mut look) = self.spin.begin_inside(value, counters.direct_bytes.get()) {
            let take = |this: &mut Self| Ok(matches!(this.take_directly(into, count)?, Brought::Some));
            let found = self.look_again(&mut look, take)?;
            self.spin.end_inside(&look, found);
            if found {
                return Ok(Waited::Done);
            }
        }
        self.engine.make(&connection)?;
        let raised = LowWater::raise(&connection, missing, value, self.spin.is_single());
        let waited = self.engine.readable(&connection, true, Some(Instant::now() + PATIENCE));
        drop(raised);
        match waited? {
            Waited::Leaving => Ok(Waited::Leaving),
            // What has come until the time was up is taken before the next wait.
            Waited::Done | Waited::TimedOut => Ok(Waited::Done),
        }
    }

    /// Receives of the next `count` bytes what is there, and behind them, in the same system call, the beginning of the
    /// next message.
    fn take_directly(&mut self, into: &mut Cursor<'_, '_, In>, count: usize) -> Result<Brought, Errno> {
        let connection = Arc::clone(&self.connection);
        let counters = &connection.statistics.receiver;
        let mut batch = Batch::new();
        into.fill(count, &mut batch);
        let direct = batch.bytes();
        // Nothing is buffered here, or it would have been handed out. A vector with more pieces than a batch takes,
        // or with room for the next message, goes on with its next piece instead.
        if direct == into.left() {
            batch.push(Incoming::new(self.ahead.free(1, AFTER_DIRECT)?));
        }
        counters.recvmsgs.add(1);
        let received = calls::receive(connection.fd(), &batch);
        let Some(received) = self.conclude(Some(received))? else { return Ok(Brought::NoneOf(direct)) };
        let count = received.min(direct);
        self.framing.skip(count);
        into.advance(count);
        counters.direct.add(1);
        counters.direct_bytes.add(count);
        if received > count {
            self.filled(received - count);
        }
        Ok(Brought::Some)
    }
}
