//! What the drive does wrong on purpose, so that clients can be tested.

use std::num::NonZeroUsize;

/// What the drive does wrong on purpose. Requests are counted from 1 on each
/// connection; `None` everywhere means no faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Close the connection instead of answering this request.
    pub close_at: Option<u64>,
    /// Reset the connection instead of answering this request.
    pub reset_at: Option<u64>,
    /// From this request on, read requests but neither execute nor answer
    /// them.
    pub silent_at: Option<u64>,
    /// Send the first half of the answer to this request, then close the
    /// connection.
    pub half_at: Option<u64>,
    /// Send everything in pieces of at most this many bytes, each with its own
    /// system call.
    pub fragment: Option<NonZeroUsize>,
}

/// What to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Execute and answer it.
    Answer,
    /// Execute it, send half of the answer, close.
    AnswerHalf,
    /// Drop it.
    Ignore,
    /// Close the connection.
    Close,
    /// Reset the connection.
    Reset,
}

impl Faults {
    /// What to do with request number `request` of a connection. If several
    /// faults are due at once, the most violent one wins.
    pub(crate) fn reaction(&self, request: u64) -> Reaction {
        let at = Some(request);
        if self.reset_at == at {
            Reaction::Reset
        } else if self.close_at == at {
            Reaction::Close
        } else if self.silent_at.is_some_and(|first| request >= first) {
            Reaction::Ignore
        } else if self.half_at == at {
            Reaction::AnswerHalf
        } else {
            Reaction::Answer
        }
    }

    /// The most bytes to send with one system call.
    pub(crate) fn piece(&self) -> usize {
        self.fragment.map_or(usize::MAX, NonZeroUsize::get)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_happen_at_their_request_only() {
        let faults = Faults { close_at: Some(5), reset_at: Some(6), half_at: Some(3), ..Faults::default() };
        let reactions: Vec<_> = (1..=7).map(|n| faults.reaction(n)).collect();
        assert_eq!(
            reactions,
            [
                Reaction::Answer,
                Reaction::Answer,
                Reaction::AnswerHalf,
                Reaction::Answer,
                Reaction::Close,
                Reaction::Reset,
                Reaction::Answer,
            ]
        );
    }

    #[test]
    fn silence_lasts() {
        let faults = Faults { silent_at: Some(2), ..Faults::default() };
        assert_eq!(faults.reaction(1), Reaction::Answer);
        assert_eq!(faults.reaction(2), Reaction::Ignore);
        assert_eq!(faults.reaction(1000), Reaction::Ignore);
    }
}
