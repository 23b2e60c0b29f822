//! What can be done to connections while they are open.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::{Client, PATIENCE, start, start_with};
use kinetic_drive::protocol::{RequestBuilder, StatusCode};
use kinetic_drive::{Config, Delivered, Drive, Faults};

/// Tells another thread to stop, also when the test fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits until connection number `id` has nothing to do.
fn wait_until_idle(drive: &Drive, id: i64) {
    while !drive.connections().iter().any(|connection| connection.id == id && connection.idle) {
        thread::yield_now();
    }
}

/// Has a client ask for so much that the drive is stuck with its answers, and returns the requests.
fn get_stuck(drive: &Drive, client: &mut Client) {
    assert_eq!(client.put(b"large", &vec![3; 1 << 20]), StatusCode::Success);
    let mut requests = Vec::new();
    for _ in 0..64 {
        client.builder.get(b"large").append_to(&mut requests);
    }
    client.send_raw(&requests);
    // One answer is there in part, the last ones do not fit anywhere.
    client.stream().peek(&mut [0]).unwrap();
    assert!(!drive.connections()[0].idle);
}

#[test]
fn faults_change_for_open_connections() {
    let drive = start();
    let mut client = Client::connect(&drive);
    assert_eq!(client.noop(), StatusCode::Success);
    assert_eq!(drive.faults(), Faults::default());
    let faults = Faults {
        fragment: NonZeroUsize::new(3),
        duplicate_every: NonZeroU64::new(2),
        // These have been: they do not happen any more.
        close_at: NonZeroU64::new(1),
        reset_at_byte: Some(20),
        ..Faults::default()
    };
    drive.set_faults(faults.clone());
    assert_eq!(drive.faults(), faults);
    assert_eq!(client.noop(), StatusCode::Success);
    assert_eq!(client.receive().unwrap().0.ack_sequence(), Some(2));
    drive.set_faults(Faults::default());
    assert_eq!([(); 3].map(|()| client.noop()), [StatusCode::Success; 3]);
    // Silence lasts, so it is never too late for it.
    drive.set_faults(Faults { silent_at: NonZeroU64::new(1), ..Faults::default() });
    let unanswered = client.builder.noop();
    client.send(&unanswered, b"");
    while drive.connections()[0].requests < 6 {
        thread::yield_now();
    }
    wait_until_idle(&drive, 1);
    drive.set_faults(Faults::default());
    assert_eq!(client.noop(), StatusCode::Success);
}

#[test]
fn a_change_loses_no_answer_that_waits_to_be_shuffled() {
    let drive = start();
    drive.set_faults(Faults { reorder: NonZeroU64::new(1000), ..Faults::default() });
    let mut client = Client::connect(&drive);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for seed in (0..).take_while(|_| !over.load(Ordering::Relaxed)) {
                let reorder = NonZeroU64::new(seed % 3 * 10);
                drive.set_faults(Faults { reorder, seed, ..Faults::default() });
            }
        });
        let _over = SetOnDrop(&over);
        for _ in 0..50 {
            let mut requests = Vec::new();
            let first = client.builder.sequence;
            for _ in 0..64 {
                client.builder.noop().append_to(&mut requests);
            }
            client.send_raw(&requests);
            let mut answered: Vec<_> =
                (0..64).map(|_| client.receive().unwrap().0.ack_sequence().unwrap()).collect();
            answered.sort_unstable();
            assert_eq!(answered, (first..first + 64).collect::<Vec<_>>());
        }
    });
}

#[test]
fn an_idle_connection_gets_a_status_at_once() {
    let drive = start();
    let mut clients = [(); 3].map(|()| Client::connect(&drive));
    for id in 1..=3 {
        wait_until_idle(&drive, id);
    }
    let sent = |sent| Delivered { sent, ..Delivered::default() };
    assert_eq!(drive.send_status(Some(2), StatusCode::ServiceBusy, "one").unwrap(), sent(1));
    assert_eq!(drive.send_status(None, 77, "all").unwrap(), sent(3));
    for (index, client) in clients.iter_mut().enumerate() {
        if index == 1 {
            let (status, _) = client.receive().unwrap();
            assert!(status.unsolicited);
            assert_eq!((status.status(), status.status_message()), (StatusCode::ServiceBusy, "one"));
        }
        let (status, _) = client.receive().unwrap();
        assert_eq!(status.command.status.as_ref().unwrap().code, Some(77));
        assert_eq!(status.connection_id(), Some(index as i64 + 1));
        assert_eq!(client.noop(), StatusCode::Success);
    }
    assert_eq!(drive.send_status(Some(9), 1, "").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_status_comes_while_a_value_is_on_its_way() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let put = client.builder.put(b"key", 1 << 20);
    client.send(&put, &vec![1; 300_000]);
    // The drive has sent its first message and reads.
    wait_until_idle(&drive, 1);
    assert_eq!(drive.send_status(None, StatusCode::ServiceBusy, "").unwrap().lost, 0);
    assert!(client.receive().unwrap().0.unsolicited);
    client.send_raw(&vec![1; (1 << 20) - 300_000]);
    assert_eq!(client.receive().unwrap().0.ack_sequence(), Some(1));
}

#[test]
fn a_status_obeys_the_faults_of_its_connection() {
    let drive = start();
    let hello = {
        let _client = Client::connect(&drive);
        wait_until_idle(&drive, 1);
        drive.connections()[0].sent
    };
    drive.set_faults(Faults {
        close_at_byte: Some(hello + 12),
        fragment: NonZeroUsize::new(5),
        ..Faults::default()
    });
    let client = Client::connect(&drive);
    wait_until_idle(&drive, 2);
    assert_eq!(drive.send_status(Some(2), StatusCode::ServiceBusy, "text").unwrap().sent, 1);
    let mut bytes = Vec::new();
    client.stream().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len(), 12);
}

#[test]
fn a_status_never_gets_into_an_answer() {
    let drive = start();
    let mut client = Client::connect(&drive);
    let value: Vec<u8> = (0..20_000).map(|n| (n % 251) as u8).collect();
    assert_eq!(client.put(b"key", &value), StatusCode::Success);
    drive.set_faults(Faults { fragment: NonZeroUsize::new(3000), ..Faults::default() });
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut total = 0;
            while !over.load(Ordering::Relaxed) {
                let Delivered { sent, queued, .. } =
                    drive.send_status(None, StatusCode::ServiceBusy, "busy").unwrap();
                total += sent + queued;
                thread::sleep(Duration::from_micros(100));
            }
            total
        });
        let over = SetOnDrop(&over);
        let mut requests = Vec::new();
        for _ in 0..1000 {
            client.builder.get(b"key").append_to(&mut requests);
        }
        let mut stream = client.stream().try_clone().unwrap();
        scope.spawn(move || stream.write_all(&requests).unwrap());
        let mut statuses = 0;
        let mut answers = 0;
        while answers < 1000 {
            let (answer, got) = client.receive().unwrap();
            if answer.unsolicited {
                statuses += 1;
            } else {
                answers += 1;
                assert_eq!(answer.ack_sequence(), Some(1 + answers));
                assert!(got == value);
            }
        }
        drop(over);
        let total = sender.join().unwrap();
        assert!(total > 0);
        // Some may wait until the drive is asked something: this client has been slow.
        let noop = client.builder.noop();
        client.send(&noop, b"");
        for _ in statuses..=total {
            let answer = client.receive().unwrap().0;
            assert!(answer.unsolicited || answer.ack_sequence() == Some(noop.sequence));
        }
    });
}

#[test]
fn a_client_that_takes_nothing_holds_nobody_up() {
    let drive = start();
    let mut stuck = Client::connect(&drive);
    get_stuck(&drive, &mut stuck);
    let queued = |queued, lost| Delivered { queued, lost, ..Delivered::default() };
    for _ in 0..64 {
        assert_eq!(drive.send_status(Some(1), 1, "").unwrap(), queued(1, 0));
    }
    assert_eq!(drive.send_status(Some(1), 1, "").unwrap(), queued(0, 1));
    drive.close_connection(1).unwrap();
    while !drive.connections().is_empty() {
        thread::yield_now();
    }
}

#[test]
fn connections_are_listed() {
    let drive = start();
    assert_eq!(drive.connections(), []);
    let mut first = Client::connect(&drive);
    let second = Client::connect(&drive);
    assert_eq!([(); 3].map(|()| first.noop()), [StatusCode::Success; 3]);
    for id in 1..=2 {
        wait_until_idle(&drive, id);
    }
    let [one, two] = &drive.connections()[..] else { panic!("{:?}", drive.connections()) };
    assert_eq!((one.id, one.requests, one.peer), (1, 3, Some(first.stream().local_addr().unwrap())));
    assert_eq!((two.id, two.requests, two.peer), (2, 0, Some(second.stream().local_addr().unwrap())));
    assert!(one.sent > two.sent && two.sent > 0);
    drop(second);
    while drive.connections().len() > 1 {
        thread::yield_now();
    }
}

#[test]
fn an_idle_connection_is_closed_or_reset() {
    let drive = start();
    let mut client = Client::connect(&drive);
    wait_until_idle(&drive, 1);
    drive.close_connection(1).unwrap();
    client.expect_end();

    let client = Client::connect(&drive);
    wait_until_idle(&drive, 2);
    drive.reset_connection(2).unwrap();
    let error = client.stream().read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);

    for result in [drive.close_connection(9), drive.reset_connection(9)] {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[test]
fn a_busy_connection_is_ended() {
    for reset in [false, true] {
        let drive = start();
        let client = Client::connect(&drive);
        let mut stream = client.into_stream();
        thread::scope(|scope| {
            let mut requests = stream.try_clone().unwrap();
            let writer = scope.spawn(move || {
                let mut builder = RequestBuilder::new(1);
                loop {
                    let mut noop = Vec::new();
                    builder.noop().append_to(&mut noop);
                    if let Err(error) = requests.write_all(&noop) {
                        return error.kind();
                    }
                }
            });
            stream.read_exact(&mut [0; 1000]).unwrap();
            if reset { drive.reset_connection(1) } else { drive.close_connection(1) }.unwrap();
            let read = stream.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
            let written = writer.join().unwrap();
            // Only one of the two is told of a reset. It is also what requests get that come after a close.
            let is_reset = read == Err(ErrorKind::ConnectionReset) || written == ErrorKind::ConnectionReset;
            assert!(is_reset || !reset, "{read:?}, {written:?}");
        });
    }
}

#[test]
fn a_pause_ends_with_its_connection() {
    let drive = start();
    for faults in [
        Faults { delay_ms: Some(3_600_000), ..Faults::default() },
        Faults { stop_reading_at: NonZeroU64::new(1), stop_reading_ms: Some(3_600_000), ..Faults::default() },
    ] {
        drive.set_faults(faults);
        let mut client = Client::connect(&drive);
        let id = client.builder.connection_id;
        let noop = client.builder.noop();
        wait_until_idle(&drive, id);
        client.send(&noop, b"");
        while drive.connections().iter().any(|connection| connection.id == id && connection.idle) {
            thread::yield_now();
        }
        drive.close_connection(id).unwrap();
        // The answer is not withheld for that.
        assert_eq!(client.receive().unwrap().0.ack_sequence(), Some(1));
        client.expect_end();
    }
}

#[test]
fn a_pause_ends_with_the_drive_and_its_answer_is_sent() {
    let drive = start();
    drive.set_faults(Faults { delay_ms: Some(3_600_000), ..Faults::default() });
    let mut client = Client::connect(&drive);
    wait_until_idle(&drive, 1);
    let noop = client.builder.noop();
    client.send(&noop, b"");
    while drive.connections()[0].idle {
        thread::yield_now();
    }
    drive.stop(Duration::from_secs(20)).unwrap();
    assert_eq!(client.receive().unwrap().0.ack_sequence(), Some(1));
    assert_eq!(client.expect_farewell().status(), StatusCode::Shutdown);
}

/// A socket that is writable need not take a long text as a whole.
#[test]
fn a_text_that_does_not_fit_holds_nobody_up() {
    const STATUSES: usize = 32;
    let drive = start_with(Config { stall_timeout: None, ..Config::default() });
    let mut deaf = Client::connect(&drive);
    wait_until_idle(&drive, 1);
    let text = "x".repeat(1 << 20);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let statuses = (0..STATUSES).map(|n| drive.send_status(Some(1), n as i32, &text).unwrap());
            sender.send(statuses.collect::<Vec<_>>()).unwrap();
        });
        let Ok(delivered) = receiver.recv_timeout(PATIENCE) else {
            // So that the drive comes to its end, and with it the test.
            drop(deaf);
            panic!("somebody waits for the client");
        };
        assert!(delivered.iter().any(|delivered| delivered.queued == 1), "it all fitted");
        assert!(delivered.iter().all(|delivered| delivered.lost == 0));
        // Nothing is lost or torn.
        let noop = deaf.builder.noop();
        deaf.send(&noop, b"");
        let mut codes = Vec::new();
        while codes.len() < STATUSES {
            let (answer, _) = deaf.receive().unwrap();
            if answer.unsolicited {
                assert!(answer.status_message() == text);
                codes.push(answer.command.status.unwrap().code.unwrap());
            }
        }
        assert_eq!(codes, (0..STATUSES as i32).collect::<Vec<_>>());
    });
}
