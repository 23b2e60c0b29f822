//! What a trace tells: calls by function, sessions, and who waited for whom.

use std::collections::BTreeMap;

use ktli_uring::trace::format::Function;
use serde::Serialize;

use super::read::{Call, Trace};

/// Bytes of a PDU, which libkinetic receives by itself.
const PDU: i64 = 9;

/// All that is told.
#[derive(Serialize)]
pub struct Summary {
    /// Calls.
    pub calls: usize,
    /// Calls that were not written.
    pub lost: u64,
    /// The file ends in the middle of a chunk.
    pub cut: bool,
    /// From the first call to the end of the last one.
    pub seconds: f64,
    /// By function, where there are calls.
    pub functions: Vec<ByFunction>,
    /// By session.
    pub sessions: Vec<Session>,
    /// What went wrong.
    pub failures: Vec<Failed>,
}

/// The calls of one function.
#[derive(Serialize)]
pub struct ByFunction {
    /// Its name.
    pub function: &'static str,
    /// How many there are.
    pub calls: usize,
    /// How many of them failed.
    pub failed: usize,
    /// Bytes that were sent or received.
    pub bytes: u64,
    /// Half of the calls took no longer, in microseconds.
    pub p50_us: f64,
    /// Nine in ten.
    pub p90_us: f64,
    /// 99 in a hundred.
    pub p99_us: f64,
    /// The longest one.
    pub max_us: f64,
    /// All together, in seconds.
    pub seconds: f64,
}

/// One session.
#[derive(Serialize)]
pub struct Session {
    /// The process.
    pub process: u32,
    /// Its handle.
    pub handle: u64,
    /// From its first call to the end of its last one.
    pub seconds: f64,
    /// Threads that sent.
    pub senders: Vec<u32>,
    /// Threads that polled or received.
    pub receivers: Vec<u32>,
    /// Messages that were sent.
    pub sent: u64,
    /// Messages that were received.
    pub received: u64,
    /// The receiver waited, in `poll` with requests outstanding or in `receive`: for the drive.
    pub for_drive_seconds: f64,
    /// The receiver waited in `poll` with nothing outstanding: for the program's next request.
    pub for_program_seconds: f64,
    /// The sender was in `send`: for room in the socket, so for the drive to take what was sent.
    pub in_send_seconds: f64,
}

/// A kind of failure.
#[derive(Serialize)]
pub struct Failed {
    /// The function.
    pub function: &'static str,
    /// Errno.
    pub errno: i32,
    /// What that means.
    pub text: String,
    /// How often.
    pub calls: usize,
}

/// Looks at a trace.
pub fn summarise(trace: &Trace) -> Summary {
    let mut sessions: BTreeMap<(u32, u64), Vec<&Call>> = BTreeMap::new();
    let mut failures: BTreeMap<(Function, i32), usize> = BTreeMap::new();
    for call in &trace.calls {
        if call.record.handle != 0 {
            sessions.entry((call.process, call.record.handle)).or_default().push(call);
        }
        if call.record.result < 0 {
            *failures.entry((call.record.function, call.record.errno)).or_default() += 1;
        }
    }
    Summary {
        calls: trace.calls.len(),
        lost: trace.lost,
        cut: trace.broken > 0,
        seconds: span(trace.calls.iter()),
        functions: Function::ALL.iter().filter_map(|function| by_function(*function, trace)).collect(),
        sessions: sessions.into_iter().map(|(key, calls)| session(key, &calls)).collect(),
        failures: failures
            .into_iter()
            .map(|((function, errno), calls)| Failed {
                function: function.name(),
                errno,
                text: std::io::Error::from_raw_os_error(errno).to_string(),
                calls,
            })
            .collect(),
    }
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// From the first call to the end of the last one. They are in the order in which they began.
fn span<'c>(calls: impl Iterator<Item = &'c Call> + Clone) -> f64 {
    let first = calls.clone().map(|call| call.record.start).min().unwrap_or(0);
    seconds(calls.map(Call::end).max().unwrap_or(0) - first)
}

fn by_function(function: Function, trace: &Trace) -> Option<ByFunction> {
    let calls = || trace.calls.iter().map(|call| &call.record).filter(|record| record.function == function);
    let mut times: Vec<u64> = calls().map(|record| record.duration).collect();
    times.sort_unstable();
    let last = times.len().checked_sub(1)?;
    // The smallest time that so many of the calls did not exceed.
    let percentile =
        |part: f64| times[((part * times.len() as f64).ceil() as usize).clamp(1, last + 1) - 1] as f64 / 1e3;
    let counts = matches!(function, Function::Send | Function::Receive);
    Some(ByFunction {
        function: function.name(),
        calls: times.len(),
        failed: calls().filter(|record| record.result < 0).count(),
        bytes: calls().filter(|_| counts).map(|record| record.result.max(0) as u64).sum(),
        p50_us: percentile(0.5),
        p90_us: percentile(0.9),
        p99_us: percentile(0.99),
        max_us: times[last] as f64 / 1e3,
        seconds: seconds(times.iter().sum()),
    })
}

fn session((process, handle): (u32, u64), calls: &[&Call]) -> Session {
    let threads = |functions: &[Function]| {
        let mut threads: Vec<u32> = calls
            .iter()
            .filter(|call| functions.contains(&call.record.function))
            .map(|call| call.record.thread)
            .collect();
        threads.sort_unstable();
        threads.dedup();
        threads
    };
    let time = |function| {
        let of_it = calls.iter().filter(|call| call.record.function == function);
        of_it.map(|call| call.record.duration).sum::<u64>()
    };
    let messages = messages(calls);
    let (outstanding, idle) = waits(calls, &messages);
    Session {
        process,
        handle,
        seconds: span(calls.iter().copied()),
        senders: threads(&[Function::Send]),
        receivers: threads(&[Function::Receive, Function::Poll]),
        sent: messages.iter().filter(|(_, change)| *change > 0).count() as u64,
        received: messages.iter().filter(|(_, change)| *change < 0).count() as u64,
        for_drive_seconds: seconds(outstanding + time(Function::Receive)),
        for_program_seconds: seconds(idle),
        in_send_seconds: seconds(time(Function::Send)),
    }
}

/// When a request began to leave (+1) and when an answer had been received (-1), in order.
fn messages(calls: &[&Call]) -> Vec<(u64, i64)> {
    let mut changes = Vec::new();
    let mut in_message = false;
    for call in calls.iter().filter(|call| call.record.result >= 0) {
        match call.record.function {
            Function::Send => changes.push((call.record.start, 1)),
            // After a PDU comes the message with its value, whatever their size.
            Function::Receive if !in_message && call.record.argument == PDU => in_message = true,
            Function::Receive => {
                in_message = false;
                changes.push((call.end(), -1));
            }
            _ => {}
        }
    }
    changes.sort_unstable();
    changes
}

/// For how long `poll` has waited with requests outstanding, and without, in nanoseconds.
fn waits(calls: &[&Call], messages: &[(u64, i64)]) -> (u64, u64) {
    let (mut with, mut without) = (0, 0);
    let mut count = 0_i64;
    let mut next = 0;
    for poll in calls.iter().filter(|call| call.record.function == Function::Poll) {
        let mut from = poll.record.start;
        loop {
            let change = messages.get(next).filter(|(time, _)| *time <= poll.end());
            let until = change.map_or(poll.end(), |(time, _)| (*time).max(from));
            if count > 0 {
                with += until - from;
            } else {
                without += until - from;
            }
            from = until;
            let Some((_, change)) = change else { break };
            // What the drive says unasked, as its greeting, is no answer.
            count = (count + change).max(0);
            next += 1;
        }
    }
    (with, without)
}

#[cfg(test)]
mod tests {
    use ktli_uring::trace::format::Record;

    use super::*;

    fn call(function: Function, start: u64, end: u64, argument: i64, result: i32) -> Call {
        let errno = if result < 0 { 104 } else { 0 };
        let thread = if function == Function::Send { 1 } else { 2 };
        let record =
            Record { start, duration: end - start, handle: 5, argument, result, errno, thread, function };
        Call { process: 7, record }
    }

    fn summary(mut calls: Vec<Call>) -> Summary {
        calls.sort_by_key(|call| call.record.start);
        summarise(&Trace { calls, ..Trace::default() })
    }

    #[test]
    fn who_waited_for_whom() {
        use Function::{Poll, Receive, Send};
        const MS: u64 = 1_000_000;
        let said = summary(vec![
            // The greeting.
            call(Poll, 0, 10 * MS, 10, 1),
            call(Receive, 10 * MS, 11 * MS, 9, 9),
            call(Receive, 11 * MS, 12 * MS, 100, 100),
            // A request leaves in the middle of a poll; the answer's message is as long as a PDU.
            call(Poll, 12 * MS, 32 * MS, 10, 1),
            call(Send, 17 * MS, 19 * MS, 109, 109),
            call(Receive, 32 * MS, 33 * MS, 9, 9),
            call(Receive, 33 * MS, 35 * MS, 9, 9),
            call(Poll, 35 * MS, 45 * MS, 10, 0),
            call(Send, 46 * MS, 47 * MS, 9, -1),
        ]);
        let session = &said.sessions[0];
        assert_eq!((session.process, session.handle), (7, 5));
        assert_eq!((&session.senders[..], &session.receivers[..]), (&[1][..], &[2][..]));
        assert_eq!((session.sent, session.received), (1, 2));
        let near = |seconds: f64, milliseconds: f64| (seconds * 1e3 - milliseconds).abs() < 1e-6;
        // 15 ms of the second poll, and all receives.
        assert!(near(session.for_drive_seconds, 20.0), "{}", session.for_drive_seconds);
        assert!(near(session.for_program_seconds, 25.0), "{}", session.for_program_seconds);
        assert!(near(session.in_send_seconds, 3.0), "{}", session.in_send_seconds);
        assert!(near(session.seconds, 47.0));
        assert_eq!(said.failures.len(), 1);
        assert_eq!(
            (said.failures[0].function, said.failures[0].errno, said.failures[0].calls),
            ("send", 104, 1)
        );
    }

    #[test]
    fn percentiles_and_bytes() {
        let calls = (1..=100).map(|index| call(Function::Send, index * 1000, index * 2000, 9, 9)).collect();
        let said = summary(calls);
        let send = &said.functions[0];
        assert_eq!((send.function, send.calls, send.failed, send.bytes), ("send", 100, 0, 900));
        assert_eq!((send.p50_us, send.p90_us, send.p99_us, send.max_us), (50.0, 90.0, 99.0, 100.0));
        assert_eq!(said.functions.len(), 1);
        let said = summary(vec![]);
        assert_eq!((said.calls, said.functions.len(), said.sessions.len()), (0, 0, 0));
    }
}
