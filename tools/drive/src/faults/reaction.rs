//! Ends, silence and halves that come with a request.

use super::{Faults, due};

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
        if due(self.reset_at, request) {
            Reaction::Reset
        } else if due(self.close_at, request) {
            Reaction::Close
        } else if self.silent_at.is_some_and(|first| request >= first.get()) {
            Reaction::Ignore
        } else if due(self.half_at, request) {
            Reaction::AnswerHalf
        } else {
            Reaction::Answer
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    #[test]
    fn faults_happen_at_their_request_only() {
        let [close_at, reset_at, half_at] = [5, 6, 3].map(NonZeroU64::new);
        let faults = Faults { close_at, reset_at, half_at, ..Faults::default() };
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
        let faults = Faults { silent_at: NonZeroU64::new(2), ..Faults::default() };
        assert_eq!(faults.reaction(1), Reaction::Answer);
        assert_eq!(faults.reaction(2), Reaction::Ignore);
        assert_eq!(faults.reaction(1000), Reaction::Ignore);
    }
}
