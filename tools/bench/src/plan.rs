//! Which points are measured, in which order, and for how long.

use std::time::Duration;

use crate::{
    alternate::Task,
    load::Work,
    results::{Operation, Section},
    subject::{DEFAULT, STOCK_FLOW, by_name},
};

/// Sizes of values in the grid.
pub const SIZES: [usize; 9] = [0, 512, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 512 << 10, 1 << 20, 4 << 20];
/// Requests outstanding in the grid.
const OUTSTANDING: [usize; 4] = [1, 4, 32, 64];
const BOTH: [Operation; 2] = [Operation::Put, Operation::Get];

/// So many points are measured again at the most: three minutes.
pub const MOST_AGAIN: usize = 12;

/// How often a plan measures, and how long in all for each side of a point.
#[derive(Clone, Copy)]
struct Pace {
    pairs: u32,
    time: Duration,
}

/// The whole benchmark: below 20 minutes.
pub fn full() -> Vec<Task> {
    let pace = Pace { pairs: 7, time: Duration::from_millis(1_200) };
    let mut tasks = Vec::new();
    let stock = |section, operation, size, outstanding| task(pace, section, operation, size, outstanding);
    for operation in BOTH {
        for size in SIZES {
            for outstanding in OUTSTANDING {
                tasks.push(stock(Section::Grid, operation, size, outstanding));
            }
        }
        for (size, outstanding) in
            [(512, 1), (512, 32), (4 << 10, 1), (4 << 10, 32), (64 << 10, 32), (1 << 20, 32)]
        {
            let pinned = stock(Section::Pinned, operation, size, outstanding);
            tasks.push(Task { pinned: true, ..pinned });
        }
    }
    for operation in BOTH {
        let at = |size, outstanding, subject: &str| {
            let subject = by_name(subject).expect("the plan names drivers that there are");
            Task { subject, ..stock(Section::Drivers, operation, size, outstanding) }
        };
        for (size, outstanding) in [(512, 1), (4 << 10, 1), (16 << 10, 1), (64 << 10, 1)] {
            tasks.push(at(size, outstanding, "spin"));
        }
        for size in [512, 4 << 10, 64 << 10, 1 << 20] {
            tasks.extend(["floor", "socket", "sqpoll"].map(|subject| at(size, 32, subject)));
        }
    }
    for size in [4 << 10, 64 << 10, 256 << 10, 1 << 20] {
        for subject in ["loop", "whole", "chunked", "chunked-sqpoll", "zero-copy"] {
            // Nothing is cut into pieces, nor sent without a copy, below these.
            let least = match subject {
                "chunked" | "chunked-sqpoll" => 256 << 10,
                "zero-copy" => 64 << 10,
                _ => 0,
            };
            if size > least || (size == least && subject == "zero-copy") {
                let subject = by_name(subject).expect("the plan names drivers that there are");
                let at = stock(Section::Drivers, Operation::Put, size, 32);
                tasks.push(Task { subject, ..at });
            }
        }
    }
    for operation in BOTH {
        for connections in [10, 100, 1000] {
            tasks.push(many(stock(Section::Connections, operation, 4 << 10, 1), connections));
        }
        for subject in ["buffers-1m", "buffers-2m", "buffers-10m"] {
            let subject = by_name(subject).expect("the plan names drivers that there are");
            tasks.push(Task {
                subject,
                baseline: DEFAULT,
                ..stock(Section::Buffers, operation, 1 << 20, 32)
            });
        }
        for size in [4 << 10, 64 << 10, 1 << 20] {
            let drive = stock(Section::Drive, operation, size, 32);
            tasks.push(Task { work: Work { real: true, ..drive.work }, ..drive });
            for outstanding in [1, 32] {
                let subject = by_name("tls").expect("the plan names drivers that there are");
                let at = stock(Section::Tls, operation, size, outstanding);
                tasks.push(Task { subject, baseline: DEFAULT, ..at });
            }
        }
    }
    tasks
}

/// A minute's worth: one point of each kind.
pub fn quick() -> Vec<Task> {
    let pace = Pace { pairs: 7, time: Duration::from_millis(800) };
    let mut tasks = Vec::new();
    for operation in BOTH {
        for (size, outstanding) in
            [(512, 32), (4 << 10, 1), (4 << 10, 32), (16 << 10, 32), (64 << 10, 32), (1 << 20, 32)]
        {
            tasks.push(task(pace, Section::Grid, operation, size, outstanding));
        }
        let spin = task(pace, Section::Drivers, operation, 4 << 10, 1);
        tasks.push(Task { subject: by_name("spin").expect("it is in the list"), ..spin });
        tasks.push(many(task(pace, Section::Connections, operation, 4 << 10, 1), 20));
    }
    tasks
}

/// A point that has missed what is asked of every one: in twice as many pairs or more, of the same length.
pub fn again(task: &Task) -> Task {
    Task { section: Section::Again, pairs: (2 * task.pairs).max(21), ..*task }
}

/// This driver against the stock flow.
fn task(pace: Pace, section: Section, operation: Operation, size: usize, outstanding: usize) -> Task {
    // With few requests outstanding it is chance that decides, at the start of a run, on which processors the
    // threads find each other, and a run is five times as fast if they share one: many short runs tell more.
    // A connection with large values on their way is in one of two states for a while (BBR's), which takes more
    // runs, too, but not shorter ones: PUTs of 512 KiB and 1 MiB × 32 were 0.9 times as fast as the stock flow's in 80 ms,
    // and 1.15 and 1.36 times in 170.
    let (pairs, time) = match outstanding {
        ..=4 => (pace.pairs * 2 + 1, pace.time / (pace.pairs * 2 + 1)),
        _ if size >= 64 << 10 => (pace.pairs + 4, pace.time / pace.pairs),
        _ => (pace.pairs, pace.time / pace.pairs),
    };
    // What is outstanding has to go round a few times before it is steady.
    let warm_up = Duration::from_millis(if size * outstanding > 16 << 20 { 100 } else { 25 });
    Task {
        section,
        work: Work { operation, size, outstanding, connections: 1, warm_up, time, real: false, tls: false },
        pinned: false,
        subject: DEFAULT,
        baseline: STOCK_FLOW,
        pairs: pairs as usize,
    }
}

/// The same over many connections. They take their time to come up, and the more there are the longer it takes until
/// each has had its turns.
fn many(task: Task, connections: usize) -> Task {
    let warm_up = Duration::from_millis(30 + connections as u64 / 2);
    let time = Duration::from_millis(250 + connections as u64 * 3 / 4);
    Task { work: Work { connections, warm_up, time, ..task.work }, pairs: 9, ..task }
}

/// How long the tasks take, roughly: what is known, and a little for connecting.
pub fn estimate(tasks: &[Task]) -> Duration {
    tasks.iter().map(|task| run_time(task) * 2 * task.pairs as u32).sum()
}

/// How long one run of a task takes, roughly.
pub fn run_time(task: &Task) -> Duration {
    let work = &task.work;
    // Threads and connections are made and ended; large values still on their way arrive.
    let connections = Duration::from_micros(10_000 + 4_500 * work.connections as u64);
    let rest = Duration::from_secs_f64((work.size * work.outstanding * work.connections) as f64 / 2e9);
    work.warm_up + work.time + connections + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plans_keep_to_their_time() {
        let full = full();
        let grid = full.iter().filter(|task| task.section == Section::Grid);
        let mut more: Vec<_> = grid.map(|task| estimate(&[again(task)])).collect();
        more.sort();
        let whole = estimate(&full) + more.iter().rev().take(MOST_AGAIN).sum::<Duration>();
        assert!(whole < Duration::from_secs(19 * 60), "{whole:?}");
        assert!(estimate(&quick()) < Duration::from_secs(57), "{:?}", estimate(&quick()));
    }

    #[test]
    fn again_is_the_same_in_more_pairs() {
        for (outstanding, pairs) in [(1, 15), (32, 7)] {
            let task = full().into_iter().find(|task| task.work.outstanding == outstanding).unwrap();
            assert_eq!(task.pairs, pairs);
            let again = again(&task);
            assert_eq!((again.section, again.pairs), (Section::Again, (2 * pairs).max(21)));
            assert_eq!((again.work.time, again.work.size), (task.work.time, task.work.size));
        }
    }

    #[test]
    fn the_grid_is_whole() {
        let grid = full().iter().filter(|task| task.section == Section::Grid).count();
        assert_eq!(grid, SIZES.len() * OUTSTANDING.len() * BOTH.len());
        assert!(full().iter().all(|task| task.pairs >= 7));
    }
}
