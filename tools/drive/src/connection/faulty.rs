//! Requests while there are faults.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Connection, End, Next, Value};
use crate::budget::{Claim, LARGE};
use crate::faults::{self, Ending, Faults, Reaction, Turn};
use crate::input::Input;
use crate::protocol::{PDU_SIZE, Pdu};
use crate::session::Reply;

impl<'a> Connection<'a> {
    /// Whether request number `request` needs more attention than usual. This is all that faults cost while there are
    /// none. Silence lasts, whatever the plan says by now.
    pub(super) fn is_special(&self, request: u64) -> bool {
        self.course.is_special(request) || self.output.end().is_some()
    }

    /// Handles a request as the plan says. `frame` is its frame up to the value.
    pub(super) fn faulty_request(&mut self, frame: &[u8], value: Value<'_>) -> io::Result<Next> {
        self.renew()?;
        let request = self.requests;
        let plan = Arc::clone(self.course.plan());
        if let Some(time) = self.course.stop_reading(request) {
            self.settle()?;
            self.flush()?;
            self.pause(time);
        }
        let silent = self.output.end() == Some(Ending::Silence);
        let reaction = if silent { Reaction::Ignore } else { plan.reaction(request) };
        match reaction {
            Reaction::Answer | Reaction::AnswerHalf => {}
            Reaction::Ignore => return Ok(Next::Continue),
            Reaction::Close => {
                self.settle()?;
                self.flush()?;
                return Ok(Next::End(End::Cut));
            }
            Reaction::Reset => {
                self.settle()?;
                self.flush()?;
                return Ok(Next::End(End::Reset));
            }
        }
        let message = &frame[PDU_SIZE..];
        // Parts of a batch have no answer.
        let Some(mut reply) = self.session.handle(message, value) else { return Ok(Next::Continue) };
        if self.course.answered_early == request && !reply.close {
            return Ok(Next::Continue);
        }
        let mut claim = None;
        if reply.replaceable && reply.len() >= LARGE {
            (reply, claim) = self.claim_answer(reply)?;
        }
        if reaction == Reaction::AnswerHalf {
            self.settle()?;
            self.wait_before(request)?;
            self.output.push(&reply);
            self.make_durable()?;
            self.output.flush_without_half(self.stream)?;
            return Ok(Next::End(End::Cut));
        }
        if reply.close {
            self.ended_by(&reply);
            self.settle()?;
            self.output.push(&reply);
            self.flush()?;
            return Ok(Next::End(End::Close));
        }
        self.respond(&plan, request, reply, claim, message)?;
        Ok(Next::Continue)
    }

    /// Answers the request at the front if its message is there, its value is not, or not used yet, and the plan
    /// says so.
    pub(super) fn answer_early(&mut self, input: &Input, pdu: Pdu) -> io::Result<()> {
        self.renew()?;
        let request = self.requests + 1;
        let plan = Arc::clone(self.course.plan());
        let wanted = pdu.value_len > 0
            && self.course.is_early(request)
            && self.output.end().is_none()
            && plan.reaction(request) == Reaction::Answer;
        let Some(message) = input.bytes().get(PDU_SIZE..pdu.value_offset()).filter(|_| wanted) else {
            return Ok(());
        };
        // A request that nobody can have signed is answered in its own time.
        if let Some(reply) = faults::acknowledgement(self.device, self.id, message, 0) {
            self.course.answered_early = request;
            self.respond(&plan, request, reply, None, message)?;
            self.settle()?;
            self.flush()?;
        }
        Ok(())
    }

    /// Sends an answer, for which `claim` is, and what else there is to send for its request, or has it wait to be
    /// shuffled.
    fn respond(
        &mut self,
        plan: &Faults,
        request: u64,
        answer: Reply,
        claim: Option<Claim<'a>>,
        message: &[u8],
    ) -> io::Result<()> {
        let unknown = plan
            .is_followed_by_unknown(request)
            .then(|| faults::acknowledgement(self.device, self.id, message, faults::NEVER_ASKED));
        let status =
            plan.status_after(request).map(|(code, text)| faults::status(self.device, self.id, code, text));
        let turn = Turn { claim, ..Turn::new(plan, request, answer, unknown.flatten(), status) };
        let Some(group) = plan.reorder else { return self.emit(turn) };
        // Where the last request of a group has no answer, its end shows only now.
        if self.course.window.last().is_some_and(|last| (last - 1) / group != (request - 1) / group) {
            self.settle()?;
        }
        let rank = self.course.rank(request);
        self.course.window.push(rank, turn);
        let is_full = request % group == 0 || self.course.window.bytes() >= super::FLUSH_AT;
        if is_full { self.settle() } else { Ok(()) }
    }

    /// Sends what waits to be shuffled.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        for turn in self.course.window.take() {
            self.emit(turn)?;
        }
        Ok(())
    }

    fn emit(&mut self, turn: Turn<'a>) -> io::Result<()> {
        let waited = self.wait_before(turn.request)?;
        for frame in &turn.frames {
            self.output.push_under(&frame.header, &frame.reply);
        }
        self.answer_claims.extend(turn.claim);
        // Where an end is due, no later request may be executed before it.
        if waited || self.output.ends_with_pending() || self.output.pending() >= super::FLUSH_AT {
            self.flush()?;
        }
        Ok(())
    }

    /// Waits as long as the answer to a request is delayed, when what was before it has been sent. Returns whether it
    /// is.
    fn wait_before(&mut self, request: u64) -> io::Result<bool> {
        let delay = self.course.delay(request);
        if delay.is_zero() {
            return Ok(false);
        }
        self.flush()?;
        self.pause(delay);
        Ok(true)
    }

    fn pause(&mut self, time: Duration) {
        let is_over = || self.desk.is_over() || self.device.stopping.load(Ordering::Relaxed);
        faults::pause(self.stream.tcp(), time, is_over);
        // The client is not to blame for this time.
        self.since = Instant::now();
        self.begun = self.begun.map(|_| self.since);
    }

    /// Goes on with a new plan if there is one.
    fn renew(&mut self) -> io::Result<()> {
        if self.course.renew() {
            self.settle()?;
            self.output.obey(self.course.plan());
        }
        Ok(())
    }
}
