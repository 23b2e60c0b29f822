//! Answers that wait to be sent in another order.

use super::Turn;

/// Answers that wait to be sent in another order.
///
/// Requests are divided into groups by their numbers, so that it does not depend on how they arrive which answers
/// can trade places; only when the drive has nothing left to handle, a group is sent in parts.
#[derive(Default)]
pub(crate) struct Window {
    waiting: Vec<(u64, Turn)>,
}

impl Window {
    /// Adds what is sent for a request. `rank` is its place among the others.
    pub fn push(&mut self, rank: u64, turn: Turn) {
        self.waiting.push((rank, turn));
    }

    /// Takes everything, in the order of the ranks.
    pub fn take(&mut self) -> impl Iterator<Item = Turn> + use<> {
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
            window.push(rank, Turn { request, frames: Vec::new() });
        }
        let order: Vec<_> = window.take().map(|turn| turn.request).collect();
        assert_eq!(order, [2, 4, 1, 3]);
        assert_eq!(window.take().count(), 0);
    }
}
