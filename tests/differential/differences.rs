//! All in which this driver differs from the socket driver's flow, with the reasons. What is not listed here is a fault.
//!
//! "The contract" is what libkinetic asks of a driver and how it takes errors; docs/design.md has what this driver makes of
//! it.

use libc::{EBADF, ECONNRESET, EINVAL, EISCONN, ENOTCONN, EPIPE, EPROTO, ETIMEDOUT};

use crate::{
    event::{
        End, Event, Heard,
        Outcome::{self, Done, Failed, NotCalled, Over},
        Seen,
    },
    script::{Shape, Step},
};

/// How many entries writev(2) and readv(2) take.
const IOV_MAX: usize = 1024;

pub struct Difference {
    pub name: &'static str,
    /// Why it is meant.
    pub reason: &'static str,
    /// Is it this one? Both have done the same step; `stock` and `ours` are what came of it.
    applies: fn(&Step, &Case) -> bool,
    /// A sequence in which it occurs, if no thread is kept waiting for long.
    pub shown_by: fn() -> Vec<Step>,
}

/// One step with both drivers.
struct Case {
    stock: Outcome,
    ours: Outcome,
    before: Seen,
    stock_before: Seen,
}

/// The difference that explains why these two are not equal, if one does.
pub fn explain(stock: &Event, ours: &Event) -> Option<&'static Difference> {
    let case = Case { stock: stock.outcome, ours: ours.outcome, before: ours.seen, stock_before: stock.seen };
    DIFFERENCES.iter().find(|difference| (difference.applies)(&ours.step, &case))
}

fn sends(step: &Step) -> bool {
    matches!(step, Step::Send(_) | Step::SendMany(_))
}

fn receives(step: &Step) -> bool {
    matches!(step, Step::Receive(..))
}

fn polls(step: &Step) -> bool {
    matches!(step, Step::Poll(_))
}

fn ends(step: &Step) -> bool {
    matches!(step, Step::Disconnect { .. } | Step::Close)
}

/// A message, of which everything has come.
fn say(value: usize) -> Step {
    Step::Say { message: 70, value, withheld: 0 }
}

fn put() -> Step {
    Step::Send(vec![9, 70, 100])
}

pub const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "a part of a message",
        reason: "poll announces a message when all of it is there, a large value excepted: libkinetic locks a mutex \
                 twice and hangs when a receive fails inside one",
        applies: |step, case| {
            polls(step)
                && (case.stock, case.ours) == (Done(1), Done(0))
                && case.before.end.is_none()
                && case.before.garbage.is_none()
                && case.before.unread > 0
                && !case.before.whole
        },
        shown_by: || vec![Step::Connect, Step::Say { message: 70, value: 100, withheld: 1 }, Step::Poll(1)],
    },
    Difference {
        name: "an end, polled for",
        reason: "on a connection that has ended poll takes its time and says 0, which is the one answer that lets \
                 libkinetic run into its own time-outs; the socket driver's says 1 for ever, and the receive fails",
        applies: |step, case| {
            polls(step)
                && (case.stock, case.ours) == (Done(1), Done(0))
                && case.before.end.is_some()
                // A large value of which nothing is left to read is announced, but not by a dead connection.
                && (!case.before.whole || case.before.dead && case.before.unread == 0)
        },
        shown_by: || vec![Step::Connect, Step::Fin, Step::Poll(1)],
    },
    Difference {
        name: "an end, sent to",
        reason: "once the end has been read nobody will answer: libkinetic's sender learns it at once instead of \
                 after its 30 s",
        applies: |step, case| {
            sends(step)
                && matches!((case.stock, case.ours), (Done(_), Failed(ECONNRESET | EPIPE)))
                && case.before.end.is_some()
                // A drive that is gone as a whole answers the first message with a reset, which the socket driver may
                // not have met yet: it sends none of more than 1,024 pieces.
                && (case.before.dead || case.before.end == Some(End::Whole))
        },
        shown_by: || vec![Step::Connect, Step::Fin, Step::Poll(1), put()],
    },
    Difference {
        name: "an end, not noticed yet",
        reason: "a message that is staged counts as accepted, and leaves a little later: that it cannot, a later send \
                 tells",
        applies: |step, case| {
            sends(step)
                && matches!((case.stock, case.ours), (Failed(ECONNRESET | EPIPE), Done(_)))
                && case.before.end == Some(End::Whole)
                && !case.before.dead
        },
        shown_by: || vec![Step::Connect, Step::Poll(0), Step::Reset, Step::Silence(2), put()],
    },
    Difference {
        name: "the name of an end",
        reason: "the socket driver hands out what the last system call has left in errno, which is EAGAIN or nothing \
                 when a stream ends; this one says ECONNRESET, or what the kernel said first, again and again",
        applies: |step, case| {
            (receives(step) || sends(step))
                && matches!((case.stock, case.ours), (Failed(_), Failed(ECONNRESET | EPIPE)))
                && case.before.end.is_some()
        },
        shown_by: || vec![Step::Connect, Step::Fin, Step::Receive(Shape::Next, 0)],
    },
    Difference {
        name: "the name of no connection",
        reason: "the socket driver makes system calls on descriptor -1",
        applies: |step, case| {
            (receives(step) || sends(step))
                && (case.stock, case.ours) == (Failed(EBADF), Failed(ENOTCONN))
                && !case.before.connected
        },
        shown_by: || vec![put()],
    },
    Difference {
        name: "nothing, on no connection",
        reason: "an empty vector is a success only where a message would have a chance; the socket driver makes no \
                 system call for one",
        applies: |step, case| {
            (receives(step) || sends(step))
                && case.before.bytes == 0
                && case.stock == Done(0)
                && match case.ours {
                    Failed(ENOTCONN) => !case.before.connected,
                    Failed(ECONNRESET | EPIPE) => case.before.end.is_some(),
                    _ => false,
                }
        },
        shown_by: || vec![Step::Send(vec![0, 0])],
    },
    Difference {
        name: "no PDU, polled for",
        reason: "what does not begin like a PDU, or announces what libkinetic cannot receive, is refused before \
                 libkinetic sees it, and the connection is dead: libkinetic checks nothing and would take any length \
                 that comes",
        applies: |step, case| {
            polls(step) && (case.stock, case.ours) == (Done(1), Done(0)) && case.before.garbage == Some(0)
        },
        shown_by: || vec![Step::Connect, Step::Garbage { lengths: true }, Step::Poll(1)],
    },
    Difference {
        name: "no PDU, received or sent to",
        reason: "as before: both halves say EPROTO",
        applies: |step, case| {
            let refused = case.ours == Failed(EPROTO) && !matches!(case.stock, NotCalled);
            let reached = |garbage: usize| garbage == 0 || garbage < case.before.bytes;
            refused
                && match case.before.garbage {
                    Some(garbage) => sends(step) && case.before.dead || receives(step) && reached(garbage),
                    None => false,
                }
        },
        shown_by: || {
            let receive = Step::Receive(Shape::Pieces(vec![9]), 0);
            vec![Step::Connect, Step::Garbage { lengths: false }, receive]
        },
    },
    Difference {
        name: "more pieces than IOV_MAX",
        reason: "writev(2) and readv(2) take 1,024 entries; this driver takes any number",
        applies: |step, case| {
            (receives(step) || sends(step))
                && case.stock == Failed(EINVAL)
                && case.before.entries > IOV_MAX
                && matches!(case.ours, Done(_) | Failed(ECONNRESET | EPIPE))
                && (matches!(case.ours, Done(_)) || case.before.end.is_some())
        },
        shown_by: || vec![Step::Connect, Step::SendMany(1025)],
    },
    Difference {
        name: "a second connection",
        reason: "the socket driver connects again and forgets the connection that it has, with what was accepted on it",
        applies: |step, case| {
            matches!(step, Step::ConnectAgain)
                && (case.stock, case.ours) == (Done(0), Failed(EISCONN))
                && case.before.connected
        },
        shown_by: || vec![Step::Connect, Step::ConnectAgain],
    },
    Difference {
        name: "TLS",
        reason: "this driver waits for a peer that speaks it, and gives up; the socket driver of libkinetic's main line \
                 ignores the wish, and would send keys and values in the clear",
        applies: |step, case| {
            matches!(step, Step::ConnectTls) && (case.stock, case.ours) == (Done(0), Failed(ETIMEDOUT))
        },
        shown_by: || vec![Step::ConnectTls],
    },
    Difference {
        name: "a closed handle",
        reason: "the socket driver frees it, and libkinetic's receiver goes on polling it; here it is a number, and \
                 stale",
        applies: |step, case| {
            case.stock == NotCalled
                && case.before.closed
                && match step {
                    Step::Poll(_) => case.ours == Done(0),
                    _ => case.ours == Failed(EBADF),
                }
        },
        shown_by: || vec![Step::Connect, Step::Close, Step::Poll(1), put(), Step::Connect],
    },
    Difference {
        name: "unread answers",
        reason: "closing a socket with unread bytes makes the kernel send a reset, which destroys what was accepted and \
                 has not been read; this driver reads until the drive has closed its side",
        applies: |step, case| {
            ends(step)
                && (case.stock, case.ours) == (Over(Heard::Part), Over(Heard::All))
                && case.stock_before.unread > 0
        },
        shown_by: || {
            let disconnect = Step::Disconnect { late: true };
            vec![Step::Connect, say(100), Step::Send(vec![9, 70, 60_000]), disconnect]
        },
    },
    Difference {
        name: "a dead connection, disconnected",
        reason: "nothing is waited for on a connection that has ended or was refused, so what was accepted after that \
                 may be lost",
        applies: |step, case| {
            ends(step)
                && matches!((case.stock, case.ours), (Over(_), Over(Heard::Part)))
                && (case.before.end.is_some() || case.before.garbage.is_some())
        },
        shown_by: || {
            // What is refused has been read ahead, and the message is staged.
            let receive = Step::Receive(Shape::Pieces(vec![79]), 0);
            let garbage = Step::Garbage { lengths: false };
            let disconnect = Step::Disconnect { late: false };
            vec![Step::Connect, say(0), garbage, Step::Poll(1), receive, put(), Step::Poll(0), disconnect]
        },
    },
];
