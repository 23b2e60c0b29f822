use std::{
    io::{self, Read},
    net::{TcpListener, TcpStream},
    thread,
};

use super::*;
use crate::{config::DEFAULTS, connection::tests::pair, socket::segment::Outgoing};

#[test]
fn where_the_receiver_looks_the_sender_sends_for_itself_unless_there_is_something_to_gather() {
    let (connection, _peer) = pair();
    let mut transmit = Transmit::new(Arc::clone(&connection));
    let sent = &connection.statistics.sender.messages;
    sent.add(10);
    for (outstanding, size, looking, at_once) in [
        (0, 600, true, true),
        (1, 600, true, true),
        (2, 600, true, false),
        (2, HEAVY, true, true),
        (0, 600, false, false),
        (0, HEAVY, false, true),
    ] {
        connection.handoff.woken(false);
        if looking {
            connection.handoff.look();
        }
        let answered = &connection.statistics.receiver.messages;
        answered.add((sent.get() - outstanding - answered.get()).try_into().unwrap());
        transmit.depth = 0;
        let case = format!("{size} bytes, {outstanding} others, looking: {looking}");
        assert_eq!(transmit.is_better_at_once(size), at_once, "{case}");
        sent.add(10);
    }
}

/// A sender whose drive is on this machine, and that drive.
fn near() -> (Transmit, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let connection = Connection::new(socket.into(), None, DEFAULTS).unwrap();
    (Transmit::new(connection), listener.accept().unwrap().0)
}

fn send(transmit: &mut Transmit, bytes: &[u8]) {
    let message = [Outgoing::new(bytes)];
    assert_eq!(transmit.send(Cursor::new(&message, bytes.len())), Ok(bytes.len()));
}

#[test]
fn a_large_message_waits_for_answers_from_this_machine() {
    let (mut transmit, mut drive) = near();
    let reads = thread::spawn(move || io::copy(&mut drive, &mut io::sink()));
    let value = vec![7; 5 << 20];
    send(&mut transmit, &value);
    transmit.connection.statistics.receiver.messages.add(1);
    send(&mut transmit, &value);
    assert!(transmit.window.awaits(value.len()).is_some(), "the second did not have to wait");
    send(&mut transmit, &value);
    let left_out = transmit.window.awaits(value.len()).is_none();
    assert!(left_out, "the third has waited in vain, and the next one does not");
    transmit.connection.leave();
    let message = [Outgoing::new(&value)];
    assert_eq!(transmit.send(Cursor::new(&message, value.len())), Err(Errno::NOTCONN));
    drop(transmit);
    reads.join().unwrap().unwrap();
}

#[test]
fn the_first_message_of_a_burst_is_not_taken_for_a_single_one() {
    let (connection, _peer) = pair();
    let mut transmit = Transmit::new(Arc::clone(&connection));
    transmit.depth = 32;
    connection.handoff.look();
    let staged = (0..100).take_while(|_| !transmit.is_better_at_once(600)).count();
    assert!((8..32).contains(&staged), "{staged}");
}

#[test]
fn what_was_staged_leaves_before_a_large_message_waits() {
    let (mut transmit, mut drive) = near();
    let value = vec![7; 5 << 20];
    let mut got = vec![0; value.len() + 3];
    let connection = Arc::clone(&transmit.connection);
    thread::scope(|scope| {
        let reads = scope.spawn(|| drive.read_exact(&mut got).unwrap());
        send(&mut transmit, &value);
        let limit = Limit { bytes: 100, messages: 100 };
        connection.handoff.stage(3, limit, |bytes| bytes.extend(b"abc"), || {}).unwrap();
        assert!(connection.handoff.is_pending());
        transmit.await_answers(value.len(), &Deadline::new(Some(Duration::from_secs(20))));
        assert!(!connection.handoff.is_pending());
        reads.join().unwrap();
    });
    assert_eq!(got[value.len()..], *b"abc");
}
