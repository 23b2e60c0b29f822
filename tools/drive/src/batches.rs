//! The batches that are open on a connection.
//!
//! A batch collects changes until its client ends it; the store sees them only
//! then. Batches belong to their connection and vanish with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Bounds;
use crate::operations::Failure;
use crate::protocol::StatusCode;
use crate::store::{Action, Change, Entry, Expected};

/// How many batches are open on a device. Clones share the number.
#[derive(Clone)]
pub(crate) struct OpenBatches(Arc<Mutex<Tally>>);

/// A new epoch of the settings starts a new era, which leaves no batch open.
#[derive(Clone, Copy)]
struct Tally {
    era: u64,
    count: usize,
}

impl OpenBatches {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Tally { era: 0, count: 0 })))
    }

    /// Drops all batches that are open now, as whatever may end somebody's
    /// rights has to. Connections notice before their next request. None of
    /// the batches is committed after this, provided that nobody who
    /// [stores](crate::device::Device::storing) is under way.
    pub fn discard(&self) {
        let mut tally = self.tally();
        tally.era += 1;
        tally.count = 0;
    }

    /// A place for one more batch, unless there are `max` already.
    fn place(&self, max: usize) -> Option<Place> {
        let mut tally = self.tally();
        if tally.count >= max {
            return None;
        }
        tally.count += 1;
        Some(Place { open: self.clone(), era: tally.era })
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        // Both numbers are right at any time, so poison does not matter.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One batch's share of the number of open batches, given back when dropped.
struct Place {
    open: OpenBatches,
    era: u64,
}

impl Place {
    /// Whether the batch may still be used.
    fn is_current(&self) -> bool {
        self.open.tally().era == self.era
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut tally = self.open.tally();
        // The batches of an earlier era are not counted any more.
        if tally.era == self.era {
            tally.count -= 1;
        }
    }
}

/// The batches that are open on a connection, by their IDs.
pub(crate) struct Batches {
    by_id: HashMap<u32, Batch>,
    were_discarded: bool,
}

/// The operations of a batch so far.
pub(crate) struct Batch {
    /// What to do, in the order it was sent.
    pub changes: Vec<Change>,
    /// The sequences of the requests, in the same order.
    pub sequences: Vec<u64>,
    deletes: usize,
    bytes: usize,
    place: Place,
}

impl Batches {
    pub fn new() -> Self {
        Self { by_id: HashMap::new(), were_discarded: false }
    }

    /// Opens a batch.
    pub fn start(&mut self, id: u32, open: &OpenBatches, max: usize) -> Result<(), Failure> {
        if self.by_id.contains_key(&id) {
            return Err(invalid(format!("batch {id} is open already")));
        }
        // The batch as such is fine, and may be started later.
        let place =
            open.place(max).ok_or_else(|| Failure::invalid(format!("{max} batches are open already")))?;
        let batch = Batch { changes: Vec::new(), sequences: Vec::new(), deletes: 0, bytes: 0, place };
        self.by_id.insert(id, batch);
        Ok(())
    }

    /// Adds an operation to a batch.
    pub fn add(&mut self, id: u32, sequence: u64, change: Change, bounds: &Bounds) -> Result<(), Failure> {
        let batch = self.by_id.get_mut(&id).ok_or_else(|| no_such_batch(id))?;
        batch.bytes += size(&change);
        batch.deletes += usize::from(change.action == Action::Delete);
        let operations = batch.changes.len() + 1;
        let limits = [
            ("operations", operations, bounds.max_operations_per_batch),
            ("deletes", batch.deletes, bounds.max_deletes_per_batch),
            ("bytes", batch.bytes, bounds.max_batch_size),
        ];
        for (what, count, max) in limits {
            if count > max {
                return Err(invalid(format!("{count} {what} exceed the limit of {max} for a batch")));
            }
        }
        batch.changes.push(change);
        batch.sequences.push(sequence);
        Ok(())
    }

    /// Takes a batch out: it is open no longer.
    pub fn take(&mut self, id: u32) -> Result<Batch, Failure> {
        self.by_id.remove(&id).ok_or_else(|| no_such_batch(id))
    }

    /// Drops the batches that were open when all were discarded. Returns
    /// whether there were any.
    pub fn drop_discarded(&mut self) -> bool {
        let count = self.by_id.len();
        self.by_id.retain(|_, batch| batch.place.is_current());
        let dropped = self.by_id.len() < count;
        self.were_discarded |= dropped;
        dropped
    }

    /// Whether [`drop_discarded`](Self::drop_discarded) has ever dropped any.
    pub fn were_discarded(&self) -> bool {
        self.were_discarded
    }
}

/// How many bytes of a client's an operation keeps in memory. That is a bit
/// less than what its request has, so that a client that counts whole requests
/// does not exceed the limit inadvertently.
fn size(change: &Change) -> usize {
    let optional = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
    let expected = match &change.expected {
        Expected::Any => 0,
        Expected::Version(version) => version.len(),
    };
    let stored = match &change.action {
        Action::Put(Entry { value, version, tag, algorithm: _ }) => {
            value.len() + optional(version) + optional(tag)
        }
        Action::Delete => 0,
    };
    change.key.len() + expected + stored
}

fn invalid(reason: String) -> Failure {
    Failure::new(StatusCode::InvalidBatch, reason)
}

fn no_such_batch(id: u32) -> Failure {
    invalid(format!("there is no batch {id}"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::config::Config;

    fn put(key: &'static str, value: &'static str) -> Change {
        let entry = Entry { value: value.into(), version: None, tag: None, algorithm: None };
        Change { key: key.into(), expected: Expected::Any, action: Action::Put(entry) }
    }

    fn delete(key: &'static str) -> Change {
        Change { key: key.into(), expected: Expected::Any, action: Action::Delete }
    }

    fn bounds() -> Bounds {
        Bounds::new(&Config::default())
    }

    #[test]
    fn a_batch_keeps_the_order() {
        let open = OpenBatches::new();
        let mut batches = Batches::new();
        batches.start(7, &open, 1).unwrap();
        batches.add(7, 10, put("b", "1"), &bounds()).unwrap();
        batches.add(7, 12, delete("a"), &bounds()).unwrap();
        let batch = batches.take(7).unwrap();
        assert_eq!(batch.changes, [put("b", "1"), delete("a")]);
        assert_eq!(batch.sequences, [10, 12]);
        assert_eq!(batches.take(7).err().unwrap().code, StatusCode::InvalidBatch);
    }

    #[test]
    fn ids_are_used_once_at_a_time() {
        let open = OpenBatches::new();
        let mut batches = Batches::new();
        let mut others = Batches::new();
        batches.start(7, &open, 9).unwrap();
        assert_eq!(batches.start(7, &open, 9).unwrap_err().code, StatusCode::InvalidBatch);
        others.start(7, &open, 9).unwrap();
        batches.take(7).unwrap();
        batches.start(7, &open, 9).unwrap();
        assert_eq!(batches.add(8, 1, delete("a"), &bounds()).unwrap_err().code, StatusCode::InvalidBatch);
    }

    #[test]
    fn the_number_of_open_batches_is_limited() {
        let open = OpenBatches::new();
        let mut first = Batches::new();
        let mut second = Batches::new();
        first.start(1, &open, 2).unwrap();
        first.start(2, &open, 2).unwrap();
        assert_eq!(second.start(1, &open, 2).unwrap_err().code, StatusCode::InvalidRequest);
        first.take(1).unwrap();
        second.start(1, &open, 2).unwrap();
        assert!(second.start(2, &open, 2).is_err());
        drop(first);
        second.start(2, &open, 2).unwrap();
    }

    #[test]
    fn a_batch_is_limited() {
        let refused = |bounds: Bounds, changes: [Change; 3]| {
            let open = OpenBatches::new();
            let mut batches = Batches::new();
            batches.start(1, &open, 1).unwrap();
            let [first, second, third] = changes;
            batches.add(1, 1, first, &bounds).unwrap();
            batches.add(1, 2, second, &bounds).unwrap();
            let failure = batches.add(1, 3, third, &bounds).err()?;
            assert_eq!(failure.code, StatusCode::InvalidBatch);
            Some(failure.reason.into_owned())
        };
        let operations = Bounds { max_operations_per_batch: 2, ..bounds() };
        let reason = refused(operations, [put("a", ""), delete("b"), put("c", "")]);
        assert_eq!(reason.unwrap(), "3 operations exceed the limit of 2 for a batch");
        let deletes = Bounds { max_deletes_per_batch: 2, ..bounds() };
        let reason = refused(deletes, [delete("a"), delete("b"), delete("c")]);
        assert_eq!(reason.unwrap(), "3 deletes exceed the limit of 2 for a batch");
        assert_eq!(refused(deletes, [delete("a"), delete("b"), put("c", "")]), None);
        let bytes = Bounds { max_batch_size: 10, ..bounds() };
        let reason = refused(bytes, [put("a", "1234"), put("b", "123"), put("c", "1")]);
        assert_eq!(reason.unwrap(), "11 bytes exceed the limit of 10 for a batch");
        assert_eq!(refused(bytes, [put("a", "1234"), put("b", "123"), put("c", "")]), None);
    }

    #[test]
    fn all_that_is_kept_counts() {
        let bytes = |len| Bounds { max_batch_size: len, ..bounds() };
        let change = Change {
            key: Bytes::from_static(b"k"),
            expected: Expected::Version("12".into()),
            action: Action::Put(Entry {
                value: "1234".into(),
                version: Some("12345678".into()),
                tag: Some("1234567890123456".into()),
                algorithm: Some(1),
            }),
        };
        let add = |bounds| {
            let mut batches = Batches::new();
            batches.start(1, &OpenBatches::new(), 1).unwrap();
            batches.add(1, 1, change.clone(), &bounds)
        };
        assert!(add(bytes(31)).is_ok());
        assert!(add(bytes(30)).is_err());
    }

    #[test]
    fn discarded_batches_make_room_for_others() {
        let open = OpenBatches::new();
        let mut first = Batches::new();
        let mut second = Batches::new();
        first.start(1, &open, 1).unwrap();
        assert!(!first.drop_discarded());
        open.discard();
        // The other connection has not noticed yet.
        second.start(1, &open, 1).unwrap();
        assert!(first.drop_discarded());
        assert!(first.take(1).is_err());
        assert!(!first.drop_discarded());
        assert!(!second.drop_discarded());
        assert!(first.start(1, &open, 1).is_err());
        second.take(1).unwrap();
        first.start(1, &open, 1).unwrap();
    }
}
