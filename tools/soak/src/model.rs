//! What may be stored under the keys of one session, which is the only one to use them.
//!
//! A drive executes what comes on a connection in order. So while a connection lasts it is known what a GET has to find:
//! what was sent before it. When it ends, each change without an answer was made or not; when the drive is killed, so was
//! each one that was not promised to last, and any state since the last promise may be the one that is on the disk.

/// What is stored under a key: a version, or nothing.
pub type State = Option<u64>;

/// A change that was sent.
struct Change {
    sequence: u64,
    state: State,
    /// Its answer promises that it lasts.
    lasting: bool,
}

struct Key {
    /// One of these is stored, if nothing was sent on this connection.
    live: Vec<State>,
    /// One of these is stored after a crash; with the sequences of the changes.
    after_crash: Vec<(u64, State)>,
    /// Changes without an answer, in order.
    sent: Vec<Change>,
    /// What was sent last on this connection.
    last: Option<State>,
    /// The sequence of the latest change that was answered.
    answered: u64,
    /// The sequence of the latest change of which it was promised that it lasts.
    promised: u64,
    /// The version that was made last.
    version: u64,
}

/// The keys of one session.
pub struct Model {
    keys: Vec<Key>,
}

impl Model {
    /// So many keys, of which none is stored.
    pub fn new(keys: usize) -> Model {
        let key = || Key {
            live: vec![None],
            after_crash: vec![(0, None)],
            sent: Vec::new(),
            last: None,
            answered: 0,
            promised: 0,
            version: 0,
        };
        Model { keys: (0..keys).map(|_| key()).collect() }
    }

    /// A version that there was not before.
    pub fn next_version(&mut self, key: usize) -> u64 {
        self.keys[key].version += 1;
        self.keys[key].version
    }

    /// A change is about to be sent. Sequences grow, from connection to connection too.
    pub fn sent(&mut self, key: usize, sequence: u64, state: State, lasting: bool) {
        let key = &mut self.keys[key];
        key.sent.push(Change { sequence, state, lasting });
        key.last = Some(state);
    }

    /// A change was answered: it is made.
    pub fn answered(&mut self, key: usize, sequence: u64) {
        let key = &mut self.keys[key];
        let Some(index) = key.sent.iter().position(|change| change.sequence == sequence) else { return };
        let change = key.sent.remove(index);
        // Answers may come in another order than the requests.
        if sequence > key.answered {
            key.answered = sequence;
            key.live = vec![change.state];
        }
        if change.lasting {
            key.promised = key.promised.max(sequence);
        }
        key.after_crash.push((sequence, change.state));
        key.after_crash.retain(|(other, _)| *other >= key.promised);
    }

    /// What a GET that is sent now may find.
    pub fn expected(&self, key: usize) -> Vec<State> {
        let key = &self.keys[key];
        key.last.map_or_else(|| key.live.clone(), |last| vec![last])
    }

    /// The connection is over, and the drive knows nothing of it any more; with `crashed` it has been killed since it was
    /// made.
    pub fn over(&mut self, crashed: bool) {
        for key in &mut self.keys {
            for change in key.sent.drain(..) {
                key.live.push(change.state);
                key.after_crash.push((change.sequence, change.state));
            }
            if crashed {
                key.live = key.after_crash.iter().map(|(_, state)| *state).collect();
            }
            key.last = None;
        }
    }

    /// A GET has found this, and nothing was sent after it.
    pub fn found(&mut self, key: usize, state: State) {
        let key = &mut self.keys[key];
        if key.last.is_none() {
            key.live = vec![state];
        }
    }

    /// The version that was made last.
    pub fn latest(&self, key: usize) -> u64 {
        self.keys[key].version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_connection_the_last_change_is_there() {
        let mut model = Model::new(1);
        assert_eq!(model.expected(0), [None]);
        model.sent(0, 1, Some(1), true);
        assert_eq!(model.expected(0), [Some(1)]);
        model.sent(0, 2, None, true);
        model.answered(0, 1);
        assert_eq!(model.expected(0), [None]);
    }

    #[test]
    fn what_was_not_answered_may_be_there_or_not() {
        let mut model = Model::new(1);
        model.sent(0, 1, Some(1), true);
        model.answered(0, 1);
        model.sent(0, 2, Some(2), true);
        model.over(false);
        assert_eq!(model.expected(0), [Some(1), Some(2)]);
        model.found(0, Some(2));
        assert_eq!(model.expected(0), [Some(2)]);
        // It was never promised to last.
        model.over(true);
        assert_eq!(model.expected(0), [Some(1), Some(2)]);
    }

    #[test]
    fn a_promise_outlasts_a_crash_and_what_came_before_it_does_not() {
        let mut model = Model::new(1);
        for (sequence, lasting) in [(1, true), (2, false), (3, true), (4, false)] {
            model.sent(0, sequence, Some(sequence), lasting);
            model.answered(0, sequence);
        }
        model.over(false);
        assert_eq!(model.expected(0), [Some(4)]);
        model.over(true);
        assert_eq!(model.expected(0), [Some(3), Some(4)]);
    }

    #[test]
    fn answers_in_another_order_change_nothing() {
        let mut model = Model::new(1);
        model.sent(0, 1, Some(1), true);
        model.sent(0, 2, Some(2), true);
        model.answered(0, 2);
        model.answered(0, 1);
        model.over(true);
        assert_eq!(model.expected(0), [Some(2)]);
        let mut model = Model::new(1);
        model.sent(0, 1, Some(1), false);
        model.sent(0, 2, Some(2), true);
        model.answered(0, 2);
        model.answered(0, 1);
        model.over(false);
        assert_eq!(model.expected(0), [Some(2)]);
    }
}
