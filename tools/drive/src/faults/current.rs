//! The plan that is in force, which can be changed while connections are open.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Faults;

/// The plan that is in force, shared by all connections.
pub(crate) struct Current {
    plan: Mutex<Arc<Faults>>,
    /// Counts the changes: to look at it costs a connection next to nothing.
    generation: AtomicU64,
}

impl Current {
    pub fn new(plan: Faults) -> Self {
        Self { plan: Mutex::new(Arc::new(plan)), generation: AtomicU64::new(0) }
    }

    /// Changes with each change of the plan. It may lag behind for a moment.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// The plan, and its generation.
    pub fn get(&self) -> (Arc<Faults>, u64) {
        let plan = self.lock();
        (Arc::clone(&plan), self.generation())
    }

    /// Makes a new plan out of the current one, and returns it.
    pub fn change<E>(&self, change: impl FnOnce(&Faults) -> Result<Faults, E>) -> Result<Faults, E> {
        let mut plan = self.lock();
        let changed = change(&plan)?;
        *plan = Arc::new(changed.clone());
        self.generation.fetch_add(1, Ordering::Relaxed);
        Ok(changed)
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Faults>> {
        // The plan is the old or the new one at any time, so poison does not matter.
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_a_generation() {
        let current = Current::new(Faults::default());
        let (plan, generation) = current.get();
        assert!(!plan.any());
        let changed = current.change(|plan| Ok::<_, ()>(Faults { early: true, ..plan.clone() })).unwrap();
        assert!(changed.early);
        assert_ne!(current.generation(), generation);
        assert_eq!(*current.get().0, changed);
        let generation = current.generation();
        assert_eq!(current.change(|_| Err(5)), Err(5));
        assert_eq!(current.generation(), generation);
    }
}
