//! What is written down of a step: how things stood before it, and what came of it.

use crate::script::Step;

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The peer's doing, or nothing that could be done.
    Nothing,
    /// The driver would have touched memory that it had freed.
    NotCalled,
    /// What the function returned.
    Done(usize),
    /// The positive errno value.
    Failed(i32),
    /// The connection was disconnected well; how much of what was accepted did the peer hear?
    Over(Heard),
}

/// How much of what was accepted the peer has heard in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    All,
    Part,
    /// There is no peer any more, or never was.
    Nobody,
}

/// How the peer has ended the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its direction; it still reads.
    Half,
    Whole,
}

/// How things stood before a step.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub closed: bool,
    pub connected: bool,
    pub end: Option<End>,
    /// Bytes that the peer has said and the client has not received.
    pub unread: usize,
    /// What `poll` has to wait for is among them.
    pub whole: bool,
    /// How many of them come before something that is no PDU.
    pub garbage: Option<usize>,
    /// Bytes and entries of the vector.
    pub bytes: usize,
    pub entries: usize,
    /// The driver has shown that it knows of the end, or of what is no PDU.
    pub dead: bool,
}

#[derive(Clone, Debug)]
pub struct Event {
    pub step: Step,
    pub seen: Seen,
    pub outcome: Outcome,
}
