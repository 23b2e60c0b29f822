//! One connection's way through the plan.

use std::sync::Arc;
use std::time::Duration;

use super::dice::{Dice, Purpose};
use super::window::Window;
use super::{Current, Faults, due};

/// One connection's way through the plan.
pub(crate) struct Course<'a> {
    current: &'a Current,
    connection: i64,
    plan: Arc<Faults>,
    generation: u64,
    any: bool,
    dice: Dice,
    /// The request that was answered before it was read as a whole; 0 if none was.
    pub answered_early: u64,
    /// Answers that wait to be shuffled.
    pub window: Window<'a>,
}

impl<'a> Course<'a> {
    /// The way of connection number `connection`.
    pub fn new(current: &'a Current, connection: i64) -> Self {
        let (plan, generation) = current.get();
        let (any, dice) = (plan.any(), Dice::new(plan.seed, connection));
        let window = Window::default();
        Self { current, connection, plan, generation, any, dice, answered_early: 0, window }
    }

    /// Whether request number `request` needs more attention than usual: because of the plan, or because it was
    /// answered already under an earlier one.
    pub fn is_special(&self, request: u64) -> bool {
        self.any || self.current.generation() != self.generation || self.answered_early == request
    }

    /// Looks for a new plan. Returns whether there is one.
    pub fn renew(&mut self) -> bool {
        if self.current.generation() == self.generation {
            return false;
        }
        (self.plan, self.generation) = self.current.get();
        self.any = self.plan.any();
        self.dice = Dice::new(self.plan.seed, self.connection);
        true
    }

    pub fn plan(&self) -> &Arc<Faults> {
        &self.plan
    }

    /// How long to wait before the answer to a request.
    pub fn delay(&self, request: u64) -> Duration {
        let jitter = match self.plan.jitter_ms {
            Some(most) => {
                let roll = self.dice.roll(Purpose::Jitter, request);
                // In microseconds: a millisecond is long for a drive.
                Duration::from_micros(roll % most.saturating_mul(1000).saturating_add(1))
            }
            None => Duration::ZERO,
        };
        Duration::from_millis(self.plan.delay_ms.unwrap_or(0)).saturating_add(jitter)
    }

    /// The place of a request's answer among others.
    pub fn rank(&self, request: u64) -> u64 {
        self.dice.roll(Purpose::Order, request)
    }

    /// How long to read nothing when a request has come.
    pub fn stop_reading(&self, request: u64) -> Option<Duration> {
        due(self.plan.stop_reading_at, request)
            .then(|| Duration::from_millis(self.plan.stop_reading_ms.unwrap_or(0)))
    }

    /// Whether a request with a value is to be answered before the value was read, and has not been yet.
    pub fn is_early(&self, request: u64) -> bool {
        (self.plan.early || due(self.plan.early_at, request)) && self.answered_early != request
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    #[test]
    fn jitter_stays_within_its_bounds_and_varies() {
        let current =
            Current::new(Faults { delay_ms: Some(3), jitter_ms: Some(2), seed: 1, ..Faults::default() });
        let delays: Vec<_> = (1..=100).map(|n| Course::new(&current, 1).delay(n)).collect();
        let bounds = Duration::from_millis(3)..=Duration::from_millis(5);
        assert!(delays.iter().all(|delay| bounds.contains(delay)), "{delays:?}");
        assert!(delays.iter().any(|delay| *delay != delays[0]));
    }

    #[test]
    fn a_new_plan_is_found() {
        let current = Current::new(Faults::default());
        let mut course = Course::new(&current, 1);
        assert!(!course.is_special(1));
        let early_at = NonZeroU64::new(3);
        current.change(|_| Ok::<_, ()>(Faults { early_at, ..Faults::default() })).unwrap();
        assert!(course.is_special(1));
        assert!(course.renew() && !course.renew());
        assert!(course.is_special(1) && course.is_early(3) && !course.is_early(4));
        course.answered_early = 3;
        assert!(!course.is_early(3));
        current.change(|_| Ok::<_, ()>(Faults::default())).unwrap();
        assert!(course.renew() && !course.is_special(4));
        // It must not be answered again.
        assert!(course.is_special(3));
    }
}
