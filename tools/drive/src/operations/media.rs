//! Looking after the medium.

use std::ops::Bound;

use bytes::Bytes;

use super::range::{borrowed, bound};
use super::{Done, Failure, Request};
use crate::patience::Patience;
use crate::protocol::{Body, Permission, Range, StatusCode};

/// How many keys that it may list are looked up at a time.
const STEP: usize = 256;

/// Reads every entry of a range, as far as the identity may list keys. What
/// cannot be read fails the request. Whether a value fits its tag is for
/// clients to say.
pub(super) fn scan(request: Request<'_>) -> Result<Done, Failure> {
    request.authorize(Permission::Range, None)?;
    let patience = Patience::new(request.header, &request.device.stopping);
    let range = request.body.range.as_deref().cloned().unwrap_or_default();
    let mut start = bound(&range.start_key, range.start_key_inclusive());
    let end = bound(&range.end_key, range.end_key_inclusive());
    // Not a key that the identity must not know of.
    let mut reached = start.clone();
    loop {
        if patience.is_over() {
            return Err(unfinished(reached));
        }
        let may = |key: &[u8]| request.requester.allows(Permission::Range, Some(key), request.secure);
        let looked = request.device.store.look(borrowed(&start), borrowed(&end), false, STEP, may)?;
        for key in looked.accepted {
            if patience.is_over() {
                return Err(unfinished(reached));
            }
            request.device.store.get(&key)?;
            reached = Bound::Excluded(key);
        }
        match looked.last {
            Some(last) => start = Bound::Excluded(last),
            None => return Ok(Done::default()),
        }
    }
}

/// There is nothing to do that the store does not do by itself.
pub(super) fn optimize(request: Request<'_>) -> Result<Done, Failure> {
    request.authorize(Permission::Range, None)?;
    Ok(Done::default())
}

/// Says from where on to go on: a scan of all keys after this one.
fn unfinished(start: Bound<Bytes>) -> Failure {
    let mut failure = Failure::new(StatusCode::Expired, "the time is over before the end of the range");
    if let Bound::Excluded(end_key) = start {
        let range = Range { end_key: Some(end_key), ..Range::default() };
        failure.body = Some(Box::new(Body { range: Some(Box::new(range)), ..Body::default() }));
    }
    failure
}
