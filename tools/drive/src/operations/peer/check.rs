//! Whether a request to send entries is bounded in every way.

use prost::Message as _;

use crate::operations::Failure;
use crate::protocol::{PeerOperation, Push};

/// How many drives an entry can be sent through.
const DEEPEST: usize = 8;

/// How many entries can be sent, those that others send on included.
const MOST: usize = 1000;

/// The longest name of a drive in bytes: what the name system allows.
const LONGEST_NAME: usize = 255;

/// How many bytes an answer has for each entry beyond those of the request: the
/// status with its text.
const STATUS_SIZE: usize = 256;

/// How many bytes a message has beyond those for its entries.
const REST_SIZE: usize = 2 << 10;

/// Checks a request before anything is sent. Its answer has to fit into a
/// message of `max_message_size` bytes.
pub(super) fn check(operation: &PeerOperation, max_message_size: u32) -> Result<(), Failure> {
    check_peers(operation, DEEPEST)?;
    let count = count(operation);
    if count > MOST {
        return Err(Failure::invalid(format!("{count} entries exceed the limit of {MOST}")));
    }
    if longest_answer(operation) > max_message_size as usize {
        return Err(Failure::invalid("the answer would exceed the limit of a message"));
    }
    Ok(())
}

/// The most bytes that the answer to a request has for it.
pub(super) fn longest_answer(operation: &PeerOperation) -> usize {
    operation.encoded_len() + count(operation) * STATUS_SIZE + REST_SIZE
}

fn check_peers(operation: &PeerOperation, levels: usize) -> Result<(), Failure> {
    if levels == 0 {
        return Err(Failure::invalid(format!("entries can be sent through {DEEPEST} drives at most")));
    }
    let peer = operation.peer.as_ref().ok_or_else(|| Failure::invalid("a peer is required"))?;
    let name = peer.hostname();
    if name.is_empty() || name.len() > LONGEST_NAME {
        return Err(Failure::invalid("the name of a peer is missing or too long"));
    }
    if !(1..=u32::from(u16::MAX)).contains(&peer.port()) {
        return Err(Failure::invalid("the port of a peer is missing or none"));
    }
    nested(operation).try_for_each(|next| check_peers(next, levels - 1))
}

fn count(operation: &PeerOperation) -> usize {
    operation.pushes.len() + nested(operation).map(count).sum::<usize>()
}

fn nested(operation: &PeerOperation) -> impl Iterator<Item = &PeerOperation> {
    operation.pushes.iter().filter_map(|push: &Push| push.next.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Peer;

    const MESSAGE: u32 = 1 << 20;

    fn operation(hostname: &str, port: u32, pushes: Vec<Push>) -> PeerOperation {
        let peer = Peer { hostname: Some(hostname.to_owned()), port: Some(port), tls: None };
        PeerOperation { peer: Some(peer), pushes, all_succeeded: None }
    }

    fn push(next: Option<PeerOperation>) -> Push {
        Push { key: Some("key".into()), next, ..Push::default() }
    }

    /// An entry that goes through so many drives.
    fn deep(levels: usize) -> PeerOperation {
        (1..levels).fold(operation("drive", 8123, vec![push(None)]), |next, _| {
            operation("drive", 8123, vec![push(Some(next))])
        })
    }

    #[test]
    fn peers_are_checked_at_every_level() {
        for bad in [
            PeerOperation::default(),
            operation("", 1, vec![]),
            operation(&"n".repeat(256), 1, vec![]),
            operation("drive", 0, vec![]),
            operation("drive", 65_536, vec![]),
        ] {
            assert!(check(&bad, MESSAGE).is_err());
            let outer = operation("drive", 65_535, vec![push(None), push(Some(bad))]);
            assert!(check(&outer, MESSAGE).is_err());
        }
        assert_eq!(check(&operation(&"n".repeat(255), 65_535, vec![]), MESSAGE), Ok(()));
    }

    #[test]
    fn depth_is_limited() {
        assert_eq!(check(&deep(8), MESSAGE), Ok(()));
        assert!(check(&deep(9), MESSAGE).is_err());
    }

    #[test]
    fn entries_are_counted_at_every_level() {
        let many = |count| operation("drive", 1, vec![push(None); count]);
        assert_eq!(check(&many(1000), MESSAGE), Ok(()));
        assert!(check(&many(1001), MESSAGE).is_err());
        let outer = |count| operation("drive", 1, vec![push(Some(many(500))), push(Some(many(count)))]);
        assert_eq!(check(&outer(498), MESSAGE), Ok(()));
        assert!(check(&outer(499), MESSAGE).is_err());
    }

    #[test]
    fn the_answer_has_to_fit() {
        let large = |len| {
            let push = Push { key: Some(vec![0; len].into()), ..Push::default() };
            operation("drive", 1, vec![push; 100])
        };
        assert_eq!(check(&large(10_000), MESSAGE), Ok(()));
        assert!(check(&large(10_300), MESSAGE).is_err());
    }
}
