//! Answers that wait to be sent in another order.

use super::Turn;

/// Answers that wait to be sent in another order.
///
/// Requests are divided into groups by their numbers, so that it does not depend on how they arrive which answers
/// can trade places; only when the drive has nothing left to handle, or a group would take too much memory, it is sent in
/// parts.
#[derive(Default)]
pub(crate) struct Window<'a> {
    waiting: Vec<(u64, Turn<'a>)>,
    bytes: usize,
}

impl<'a> Window<'a> {
    /// Adds what is sent for a request. `rank` is its place among the others.
    pub fn push(&mut self, rank: u64, turn: Turn<'a>) {
        self.bytes += turn.bytes();
        self.waiting.push((rank, turn));
    }

    /// The number of the last request that was added.
    pub fn last(&self) -> Option<u64> {
        self.waiting.last().map(|(_, turn)| turn.request)
    }

    /// How many bytes of memory this occupies, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes everything, in the order of the ranks.
    pub fn take(&mut self) -> impl Iterator<Item = Turn<'a>> + use<'a> {
        self.bytes = 0;
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by_key(|&(rank, _)| rank);
        waiting.into_iter().map(|(_, turn)| turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_decide_and_everything_is_taken() {
        let mut window = Window::default();
        for (rank, request) in [(5, 1), (3, 2), (9, 3), (3, 4)] {
            window.push(rank, Turn { request, frames: Vec::new(), claim: None });
        }
        assert_eq!(window.last(), Some(4));
        let order: Vec<_> = window.take().map(|turn| turn.request).collect();
        assert_eq!(order, [2, 4, 1, 3]);
        assert_eq!(window.take().count(), 0);
        assert_eq!(window.last(), None);
    }
}
