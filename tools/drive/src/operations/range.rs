//! Lists of keys.

use std::ops::Bound;

use bytes::Bytes;
use prost::encoding::encoded_len_varint;

use super::{Done, Failure, Request, entry};
use crate::protocol::{Body, Permission, Range};

/// How many bytes of an answer's message are kept for all but the keys.
const ENVELOPE: usize = 1024;

pub(super) fn get_key_range(request: Request<'_>) -> Result<Done, Failure> {
    // Which keys depends on the scopes, but there has to be one.
    request.authorize(Permission::Range, None)?;
    let bounds = &request.device.bounds;
    let range = request.body.range.as_deref().ok_or_else(|| Failure::invalid("a range is required"))?;
    entry::check_size("start key", &range.start_key, bounds.max_key_size)?;
    entry::check_size("end key", &range.end_key, bounds.max_key_size)?;
    let max = match range.max_returned() as usize {
        // Nobody asks for nothing: this is how a client says that it sets no
        // limit of its own.
        0 => bounds.max_key_range_count,
        max if max <= bounds.max_key_range_count => max,
        max => {
            let limit = bounds.max_key_range_count;
            return Err(Failure::invalid(format!("{max} keys exceed the limit of {limit}")));
        }
    };
    let start = bound(&range.start_key, range.start_key_inclusive());
    let end = bound(&range.end_key, range.end_key_inclusive());
    let mut keys =
        request.device.store.keys(borrowed(&start), borrowed(&end), range.reverse(), max, |key| {
            request.requester.allows(Permission::Range, Some(key), request.secure)
        })?;
    keys.truncate(fitting(&keys, bounds.max_message_size as usize - ENVELOPE));
    // Without keys there is no range in the answer, as the protocol has it.
    // libkinetic's iterator depends on that: it takes the missing range for
    // the end, but would read the first key of an empty one.
    let body = (!keys.is_empty()).then(|| {
        let range = Range { keys, ..Range::default() };
        Body { range: Some(Box::new(range)), ..Body::default() }
    });
    Ok(Done { body, ..Done::default() })
}

/// One of a range's ends.
pub(super) fn bound(key: &Option<Bytes>, inclusive: bool) -> Bound<Bytes> {
    match key {
        None => Bound::Unbounded,
        Some(key) if inclusive => Bound::Included(key.clone()),
        Some(key) => Bound::Excluded(key.clone()),
    }
}

/// The same for the store.
pub(super) fn borrowed(bound: &Bound<Bytes>) -> Bound<&[u8]> {
    bound.as_ref().map(|key| &key[..])
}

/// How many of the keys fit into `room` bytes of a message. A client that gets
/// fewer than it asked for asks again from the last one on.
fn fitting(keys: &[Bytes], mut room: usize) -> usize {
    let fits = |key: &&Bytes| {
        // The number of the field takes a byte.
        let size = 1 + encoded_len_varint(key.len() as u64) + key.len();
        let left = room.checked_sub(size);
        room = left.unwrap_or(room);
        left.is_some()
    };
    keys.iter().take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn as_many_keys_fit_as_the_encoding_allows() {
        let keys: Vec<Bytes> = (0..300).map(|len| vec![1; len].into()).collect();
        for room in [0, 1, 2, 100, 127, 128, 129, 10_000, 40_000, 100_000] {
            let count = fitting(&keys, room);
            let len = |count| Range { keys: keys[..count].to_vec(), ..Range::default() }.encoded_len();
            assert!(len(count) <= room);
            assert!(count == keys.len() || len(count + 1) > room, "{room}");
        }
    }
}
