//! Ends and silence at a byte of what is sent.

use super::Faults;

/// How sending comes to its end. The later ones are the more violent ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    /// Nothing more is sent, but the connection stays open.
    Silence,
    /// The connection is closed.
    Close,
    /// The connection is reset.
    Reset,
}

/// After which byte of a connection sending comes to which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// How many bytes are sent in all.
    pub at: u64,
    /// What happens then.
    pub ending: Ending,
}

impl Faults {
    /// The next cut of a connection that has sent `sent` bytes. A byte that has been passed does not come
    /// again; but silence lasts, and so begins at once.
    pub(crate) fn cut(&self, sent: u64) -> Option<Cut> {
        let silence = self.silent_at_byte.map(|at| at.max(sent));
        let cuts = [
            (self.reset_at_byte, Ending::Reset),
            (self.close_at_byte, Ending::Close),
            (silence, Ending::Silence),
        ];
        let cuts = cuts.into_iter().filter_map(|(at, ending)| Some(Cut { at: at?, ending }));
        // Of several at the same byte the first, which is the most violent.
        cuts.filter(|cut| cut.at >= sent).min_by_key(|cut| cut.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cut_comes_first_and_the_most_violent_wins() {
        let faults = Faults {
            close_at_byte: Some(20),
            reset_at_byte: Some(20),
            silent_at_byte: Some(10),
            ..Faults::default()
        };
        assert_eq!(faults.cut(0), Some(Cut { at: 10, ending: Ending::Silence }));
        let faults = Faults { silent_at_byte: None, ..faults };
        assert_eq!(faults.cut(20), Some(Cut { at: 20, ending: Ending::Reset }));
        assert_eq!(faults.cut(21), None);
    }

    #[test]
    fn silence_begins_late_rather_than_never() {
        let faults = Faults { silent_at_byte: Some(10), ..Faults::default() };
        assert_eq!(faults.cut(11), Some(Cut { at: 11, ending: Ending::Silence }));
    }
}
