//! The table that `KTLI_URING_STATS=1` prints to stderr when a connection ends: what it has done.
//!
//! Whoever ends the connection prints it, `disconnect` or the end of the process, and the first one only.

use std::fmt::Write;

use crate::{
    connection::Connection,
    socket::calls,
    statistics::{Count, Counters, Statistics},
    sync::lock_soon,
};

/// Prints the table of `connection` if that is asked for and has not been done. Waits a tenth of a second for whoever is
/// about it: the end of the process may have interrupted that very thread.
pub fn print(connection: &Connection) {
    let statistics = &connection.statistics;
    if !connection.options.stats {
        return;
    }
    if let Some(mut reported) = lock_soon(&statistics.reported)
        && !std::mem::replace(&mut *reported, true)
    {
        calls::write_to_stderr(&table(statistics));
    }
}

/// The rows of a block, in order.
fn rows<C: Count>(counters: &Counters<C>) -> [(&'static str, u64); 27] {
    let c = counters;
    [
        ("messages", &c.messages),
        ("bytes", &c.bytes),
        ("io_uring_enter", &c.enters),
        ("sendmsg", &c.sendmsgs),
        ("recvmsg", &c.recvmsgs),
        ("ppoll", &c.polls),
        ("writes to the eventfd", &c.wake_writes),
        ("reads from the eventfd", &c.wake_reads),
        ("setsockopt", &c.setsockopts),
        ("yields and naps", &c.pauses),
        ("rare calls", &c.rare_calls),
        ("flushes", &c.flushes),
        ("messages in flushes", &c.flushed_messages),
        ("bytes in flushes", &c.flushed_bytes),
        ("short transmissions", &c.short),
        ("waits for room", &c.full_waits),
        ("direct transfers", &c.direct),
        ("bytes in them", &c.direct_bytes),
        ("transfers without a copy", &c.zero_copy),
        ("copied all the same", &c.zero_copy_copied),
        ("wake-ups of the receiver", &c.wake_ups),
        ("sleeps", &c.sleeps),
        ("spins that paid", &c.spins_paid),
        ("spins that did not", &c.spins_lost),
        ("receives ahead", &c.read_aheads),
        ("polls without waiting", &c.poll_hits),
        ("receives from memory", &c.receive_hits),
    ]
    .map(|(name, counter)| (name, counter.get()))
}

/// The table. Rows of nothing are left out.
fn table(statistics: &Statistics) -> String {
    let Statistics { sender, receiver, others, peer, .. } = statistics;
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = match peer {
        Some(peer) => writeln!(text, "ktli-uring: the connection to {peer}:"),
        None => writeln!(text, "ktli-uring: a connection:"),
    };
    let _ = writeln!(text, "  {:<26}{:>16}{:>16}{:>16}", "", "sender", "receiver", "others");
    let blocks = [rows(sender), rows(receiver), rows(others)];
    for (index, (name, _)) in blocks[0].iter().enumerate() {
        let [sender, receiver, others] = [0, 1, 2].map(|block: usize| blocks[block][index].1);
        if sender + receiver + others > 0 {
            let _ = writeln!(text, "  {name:<26}{sender:>16}{receiver:>16}{others:>16}");
        }
    }
    let sum = |name| -> u64 {
        blocks.iter().flatten().filter(|(other, _)| *other == name).map(|(_, count)| count).sum()
    };
    let flushes = sum("flushes");
    for (name, value, of) in [
        ("system calls per request", statistics.system_calls(), sender.messages.get()),
        ("messages per flush", sum("messages in flushes"), flushes),
        ("bytes per flush", sum("bytes in flushes"), flushes),
    ] {
        if of > 0 {
            let _ = writeln!(text, "  {name:<26}{:>16.2}", value as f64 / of as f64);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_derived_and_rows_of_nothing_left_out() {
        let statistics = Statistics::new("127.0.0.1:8123".parse().ok());
        statistics.sender.messages.add(8);
        statistics.sender.sendmsgs.add(1);
        statistics.receiver.enters.add(2);
        statistics.receiver.flushed(600, 5, 600);
        statistics.others.wake_writes.add(1);
        statistics.others.flushed(300, 1, 300);
        let table = table(&statistics);
        assert!(table.starts_with("ktli-uring: the connection to 127.0.0.1:8123:\n"));
        let figure = |name: &str| {
            let line = table.lines().find(|line| line.trim_start().starts_with(name));
            line.map(|line| line[28..].split_whitespace().collect::<Vec<_>>())
        };
        assert_eq!(figure("messages "), Some(vec!["8", "0", "0"]));
        assert_eq!(figure("writes to the eventfd"), Some(vec!["0", "0", "1"]));
        assert_eq!(figure("system calls per request"), Some(vec!["0.50"]));
        assert_eq!(figure("messages per flush"), Some(vec!["3.00"]));
        assert_eq!(figure("bytes per flush"), Some(vec!["450.00"]));
        assert_eq!(figure("spins"), None);
    }

    #[test]
    fn an_unused_connection_has_no_figures() {
        let table = table(&Statistics::new(None));
        assert_eq!(table.lines().count(), 2, "{table}");
    }
}
