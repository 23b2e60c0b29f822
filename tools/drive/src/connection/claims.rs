//! What a connection claims of the drive's budget.

use std::io;

use super::Connection;
use crate::budget::{Claim, PATIENCE};
use crate::operations::Failure;
use crate::protocol::StatusCode;
use crate::session::Reply;

impl<'a> Connection<'a> {
    /// Claims bytes of the budget; waits if there are not enough.
    pub(super) fn claim(&mut self, bytes: usize) -> io::Result<Option<Claim<'a>>> {
        let device = self.device;
        if let Some(claim) = device.budget.try_claim(bytes) {
            return Ok(Some(claim));
        }
        // Sending the answers frees what they have claimed.
        self.settle()?;
        self.flush()?;
        let claim = device.budget.claim(bytes, PATIENCE);
        if claim.is_none() {
            device.counters.count_busy();
        }
        Ok(claim)
    }

    /// Claims what a large answer, which has to be replaceable, occupies; the
    /// claim is to be kept until it is sent. If there is not enough, another
    /// answer says so.
    pub(super) fn claim_answer(&mut self, reply: Reply) -> io::Result<(Reply, Option<Claim<'a>>)> {
        let len = reply.len();
        Ok(match self.claim(len)? {
            Some(claim) => (reply, Some(claim)),
            None => (self.session.instead(reply, busy(len)), None),
        })
    }
}

/// What is answered where so many bytes cannot be claimed.
pub(super) fn busy(bytes: usize) -> Failure {
    Failure::new(
        StatusCode::ServiceBusy,
        format!("{bytes} bytes do not fit into what large requests and answers may occupy now"),
    )
}
