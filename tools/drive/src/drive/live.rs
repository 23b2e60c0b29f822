//! What can be looked at and changed while the drive runs.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;

use super::{Drive, Open, Shared};
use crate::desk::{Delivery, Desk, Verdict};
use crate::faults::{self, Faults};
use crate::wire::Wire;

/// An open connection, as the drive sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConnectionInfo {
    /// The number the drive gave to it; connections are counted from 1.
    pub id: i64,
    /// The client's address; `None` if the client has gone already.
    pub peer: Option<SocketAddr>,
    /// How many requests there were, as of the drive's last look for input.
    pub requests: u64,
    /// How many bytes were sent, as of the drive's last look for input.
    pub sent: u64,
    /// Whether all requests are handled and the drive waits for input.
    pub idle: bool,
}

/// What became of an unsolicited status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// To how many connections it was sent.
    pub sent: usize,
    /// How many connections were busy, or their clients did not take it as a whole at once. They send it, or the rest of
    /// it, when they have handled the requests that they have read, before they wait for more.
    pub queued: usize,
    /// How many connections could not take it: they are at their end, or many are queued already.
    pub lost: usize,
}

/// Any thread can call these at any time. None of them waits for a client; ending a connection that is busy takes a
/// second at most.
impl Drive {
    /// The faults that are in force.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults::clone(&self.shared.device.faults.get().0)
    }

    /// Changes the faults: for new connections at once, for each open one with its next request. Requests and bytes
    /// are still counted from the start of each connection, so what was due earlier does not happen any more, except
    /// for silence, which lasts.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.set_faults(faults);
    }

    /// Sends an unsolicited status to one connection, or to all for `None`, also while they are idle. `code` is a
    /// [`StatusCode`](crate::protocol::StatusCode) or any other number. It gets between answers, never into one.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such connection.
    pub fn send_status(
        &self,
        connection: Option<i64>,
        code: impl Into<i32>,
        text: &str,
    ) -> io::Result<Delivered> {
        self.shared.send_status(connection, code.into(), text)
    }

    /// The open connections, the oldest first.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.shared.connection_infos()
    }

    /// Closes a connection when the requests that it has read are handled.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such connection.
    pub fn close_connection(&self, id: i64) -> io::Result<()> {
        self.shared.end_connection(id, Verdict::Close)
    }

    /// Resets a connection when the requests that it has read are handled.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such connection.
    pub fn reset_connection(&self, id: i64) -> io::Result<()> {
        self.shared.end_connection(id, Verdict::Reset)
    }
}

/// What is needed of an open connection without the map's lock.
struct Handle {
    id: i64,
    stream: Arc<Wire>,
    desk: Arc<Desk>,
}

impl Handle {
    /// `None` if the connection's thread has closed it just now.
    fn new((&id, open): (&i64, &Open)) -> Option<Self> {
        Some(Self { id, stream: open.stream.upgrade()?, desk: Arc::clone(&open.desk) })
    }
}

impl Shared {
    pub(crate) fn set_faults(&self, faults: Faults) {
        let Ok(_) = self.device.faults.change(|_| Ok::<_, std::convert::Infallible>(faults));
    }

    pub(crate) fn send_status(&self, id: Option<i64>, code: i32, text: &str) -> io::Result<Delivered> {
        let mut delivered = Delivered::default();
        for Handle { id, stream, desk } in self.handles(id)? {
            let count = match desk.send(&stream, faults::status(&self.device, id, code, text)) {
                Delivery::Sent => &mut delivered.sent,
                Delivery::Queued => &mut delivered.queued,
                Delivery::Lost => &mut delivered.lost,
            };
            *count += 1;
        }
        Ok(delivered)
    }

    pub(crate) fn connection_infos(&self) -> Vec<ConnectionInfo> {
        // Without a certain one all are found.
        let handles = self.handles(None).unwrap_or_default();
        let info = |Handle { id, stream, desk }: Handle| {
            let progress = desk.progress();
            ConnectionInfo {
                id,
                peer: stream.tcp().peer_addr().ok(),
                requests: progress.requests,
                sent: progress.sent,
                idle: progress.idle,
            }
        };
        handles.into_iter().map(info).collect()
    }

    pub(crate) fn end_connection(&self, id: i64, verdict: Verdict) -> io::Result<()> {
        for Handle { stream, desk, .. } in self.handles(Some(id))? {
            desk.end(&stream, verdict);
        }
        Ok(())
    }

    /// One connection, or all in the order of their numbers.
    fn handles(&self, id: Option<i64>) -> io::Result<Vec<Handle>> {
        let connections = self.connections();
        let mut handles: Vec<_> = match id {
            None => connections.iter().filter_map(Handle::new).collect(),
            Some(id) => {
                let found = connections.get_key_value(&id).and_then(Handle::new);
                vec![found.ok_or_else(|| {
                    io::Error::new(io::ErrorKind::NotFound, format!("there is no connection {id}"))
                })?]
            }
        };
        handles.sort_by_key(|handle| handle.id);
        Ok(handles)
    }
}
