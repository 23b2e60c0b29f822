//! The models: what the threads do, and what must hold in the end.

use std::io;

use loom::{
    sync::{Arc, Condvar, Mutex},
    thread,
};

use crate::handoff::{Attention, Flushed, Handoff, Limit, Staged, Wire};

const CAPACITY: usize = 64;

/// What stands for socket, drive and eventfd.
struct World {
    handoff: Handoff,
    /// What the drive has got, and how much the socket takes.
    socket: Mutex<Socket>,
    /// The eventfd: its count, and the receiver waiting for it or for room.
    wake: Mutex<Events>,
    woken: Condvar,
}

struct Socket {
    got: Vec<u8>,
    room: usize,
    /// So many flushes find the kernel short of memory.
    shortages: usize,
}

#[derive(Default)]
struct Events {
    count: u32,
    room: bool,
}

impl World {
    fn new(room: usize) -> Arc<World> {
        Arc::new(World {
            handoff: Handoff::new(CAPACITY),
            socket: Mutex::new(Socket { got: Vec::new(), room, shortages: 0 }),
            wake: Mutex::new(Events::default()),
            woken: Condvar::new(),
        })
    }

    fn wake(&self) {
        self.wake.lock().unwrap().count += 1;
        self.woken.notify_one();
    }

    /// The drive reads: there is room again.
    fn make_room(&self, room: usize) {
        self.socket.lock().unwrap().room += room;
        self.wake.lock().unwrap().room = true;
        self.woken.notify_one();
    }

    fn run_short(&self, shortages: usize) {
        self.socket.lock().unwrap().shortages = shortages;
    }

    /// `Handoff::flush` as the receiver, the sweeper and `Connection::flush_now` call it.
    fn flush_now(&self) -> Flushed {
        let send = |bytes: &[u8], _| {
            let mut socket = self.socket.lock().unwrap();
            if socket.shortages > 0 {
                socket.shortages -= 1;
                return Err(io::Error::from_raw_os_error(libc::ENOBUFS));
            }
            drop(socket);
            self.send(bytes)
        };
        self.handoff.flush(send).unwrap()
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut socket = self.socket.lock().unwrap();
        let count = bytes.len().min(socket.room);
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        socket.room -= count;
        socket.got.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn got(&self) -> Vec<u8> {
        self.socket.lock().unwrap().got.clone()
    }

    /// `Transmit::stage`: one byte stands for a message.
    fn stage(&self, message: u8) -> Staged {
        self.handoff
            .stage(
                1,
                Limit { bytes: CAPACITY, messages: usize::MAX },
                |bytes| bytes.push(message),
                || {
                    // The wake-up comes before the message may leave.
                    assert!(!self.got().contains(&message), "left before its send had returned");
                    self.wake();
                },
            )
            .unwrap()
    }

    /// `Transmit::send_all`: the sender sends what is on the wire, and then its own.
    fn send_all(&self, wire: &mut Wire, message: &[u8]) {
        while !wire.pending().is_empty() {
            let count = self.send(wire.pending()).unwrap();
            wire.sent(count);
        }
        if !message.is_empty() {
            assert_eq!(self.send(message).unwrap(), message.len());
        }
    }

    /// `Transmit::send` of a large message.
    fn large(&self, message: &[u8]) {
        self.send_all(&mut self.handoff.begin_flush(), message);
        self.answer();
    }

    /// `Transmit::send` of a small message, with few outstanding.
    fn small(&self, message: u8) {
        if self.handoff.attention() != Attention::Awake
            && let Some(mut wire) = self.handoff.idle_wire()
        {
            self.send_all(&mut wire, &[message]);
            drop(wire);
            self.answer();
        } else if self.stage(message) == Staged::Unattended {
            self.flush();
            self.answer();
        }
    }

    /// `Transmit::flush`: the sender sends for itself.
    fn flush(&self) {
        self.send_all(&mut self.handoff.begin_flush(), &[]);
    }

    /// The loop of `receive::wait`, until the drive has got `count` bytes: those are the answers that
    /// the receive waits for. `large`: they have large values.
    fn receive(&self, count: usize, large: bool) {
        self.handoff.arrive();
        loop {
            let flushed = self.flush_now();
            if self.socket.lock().unwrap().got.len() >= count {
                return;
            }
            let short = flushed == Flushed::Short;
            let blocked = flushed == Flushed::Full || short;
            if !self.handoff.fall_asleep(blocked, large) {
                thread::yield_now();
                continue;
            }
            if short {
                // The wait ends by itself.
                thread::yield_now();
                self.handoff.woken(large);
                continue;
            }
            let mut events = self.wake.lock().unwrap();
            while events.count == 0 && !(blocked && events.room) {
                // The drive's answer ends the receive.
                if self.socket.lock().unwrap().got.len() >= count {
                    break;
                }
                events = self.woken.wait(events).unwrap();
            }
            events.count = 0;
            events.room = false;
            drop(events);
            self.handoff.woken(large);
        }
    }

    /// One pass of that loop: a receive that ends, or a poll whose time has passed, before everything is
    /// sent. The caller then does something else.
    fn receive_once(&self) {
        self.handoff.arrive();
        self.flush_now();
        if self.handoff.fall_asleep(false, false) {
            thread::yield_now();
            self.handoff.woken(false);
        }
    }

    /// The sweeper's ticks, after the sender has called for it.
    fn sweep(&self) {
        for _ in 0..2 {
            if self.handoff.is_neglected() {
                self.flush_now();
            }
        }
    }

    /// The drive answers what it has got: wakes a receiver that waits for it. Called by whoever else
    /// than the receiver has sent.
    fn answer(&self) {
        // Under the lock, so that it does not fall between the receiver's look and its wait.
        let _events = self.wake.lock().unwrap();
        self.woken.notify_one();
    }
}

#[test]
fn small_messages_all_leave_in_order() {
    loom::model(|| {
        let world = World::new(CAPACITY);
        world.handoff.arrive();
        let sender = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.stage(1);
                world.stage(2);
            }
        });
        world.receive(2, false);
        sender.join().unwrap();
        assert_eq!(world.got(), [1, 2]);
    });
}

#[test]
fn a_large_message_behind_a_small_one_keeps_its_place() {
    loom::model(|| {
        let world = World::new(CAPACITY);
        world.handoff.arrive();
        let sender = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.stage(1);
                world.large(&[2, 3]);
            }
        });
        world.receive(3, false);
        sender.join().unwrap();
        assert_eq!(world.got(), [1, 2, 3]);
    });
}

#[test]
fn a_sender_that_finds_the_receiver_asleep_keeps_the_order() {
    loom::model(|| {
        let world = World::new(CAPACITY);
        world.handoff.arrive();
        let sender = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.stage(1);
                world.small(2);
            }
        });
        world.receive(2, false);
        sender.join().unwrap();
        assert_eq!(world.got(), [1, 2]);
    });
}

#[test]
fn a_sender_beside_a_receiver_of_large_values_keeps_the_order() {
    loom::model(|| {
        let world = World::new(CAPACITY);
        world.handoff.arrive();
        let sender = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.small(1);
                world.small(2);
            }
        });
        world.receive(2, true);
        sender.join().unwrap();
        assert_eq!(world.got(), [1, 2]);
    });
}

#[test]
fn a_receiver_that_comes_to_large_values_leaves_nothing_behind() {
    loom::model(|| {
        let world = World::new(CAPACITY);
        world.handoff.arrive();
        world.stage(1);
        let sender = thread::spawn({
            let world = Arc::clone(&world);
            move || world.small(2)
        });
        // As `Receive::note_size` does.
        world.handoff.woken(true);
        world.receive(2, true);
        sender.join().unwrap();
        assert_eq!(world.got(), [1, 2]);
    });
}

#[test]
fn the_sweeper_beside_a_sender_at_once_neither_doubles_nor_reorders() {
    loom::model(|| {
        let world = World::new(CAPACITY);
        world.handoff.arrive();
        let sender = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.stage(1);
                world.small(2);
            }
        });
        let sweeper = thread::spawn({
            let world = Arc::clone(&world);
            move || world.sweep()
        });
        world.handoff.woken(true);
        sender.join().unwrap();
        sweeper.join().unwrap();
        world.flush();
        assert_eq!(world.got(), [1, 2]);
    });
}

#[test]
fn a_full_socket_holds_nothing_back_for_good() {
    loom::model(|| {
        let world = World::new(1);
        world.handoff.arrive();
        let sender = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.stage(1);
                world.stage(2);
                world.make_room(8);
            }
        });
        world.receive(2, false);
        sender.join().unwrap();
        assert_eq!(world.got(), [1, 2]);
    });
}

#[test]
fn a_shortage_of_memory_holds_nothing_back_and_keeps_the_order() {
    loom::model(|| {
        let world = World::new(CAPACITY);
        world.run_short(2);
        world.handoff.arrive();
        let sender = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.stage(1);
                world.small(2);
            }
        });
        world.receive(2, false);
        sender.join().unwrap();
        assert_eq!(world.got(), [1, 2]);
    });
}

#[test]
fn what_a_shortage_leaves_the_sweeper_finds() {
    loom::model(|| {
        let world = World::new(CAPACITY);
        world.run_short(2);
        let receiver = thread::spawn({
            let world = Arc::clone(&world);
            move || world.receive_once()
        });
        for message in [1, 2] {
            if world.stage(message) == Staged::Unattended {
                world.flush();
            }
        }
        receiver.join().unwrap();
        while world.handoff.is_pending() {
            world.sweep();
        }
        assert_eq!(world.got(), [1, 2]);
    });
}

#[test]
fn a_receiver_that_arrives_late_and_a_sender_that_sends_for_itself_agree() {
    loom::model(|| {
        let world = World::new(CAPACITY);
        let sender = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                for message in [1, 2] {
                    if world.stage(message) == Staged::Unattended {
                        world.flush();
                        world.answer();
                    }
                }
            }
        });
        world.receive(2, false);
        sender.join().unwrap();
        assert_eq!(world.got(), [1, 2]);
    });
}

#[test]
fn the_sweeper_neither_doubles_nor_reorders() {
    loom::model(|| {
        let world = World::new(CAPACITY);
        world.handoff.arrive();
        let sender = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                for message in [1, 2] {
                    if world.stage(message) == Staged::Unattended {
                        world.flush();
                    }
                }
            }
        });
        let sweeper = thread::spawn({
            let world = Arc::clone(&world);
            move || world.sweep()
        });
        sender.join().unwrap();
        sweeper.join().unwrap();
        // The receiver never came: what the sweeper did not find is still there.
        world.flush();
        assert_eq!(world.got(), [1, 2]);
    });
}

#[test]
fn what_a_receiver_leaves_behind_the_sweeper_finds() {
    loom::model(|| {
        let world = World::new(CAPACITY);
        let receiver = thread::spawn({
            let world = Arc::clone(&world);
            move || world.receive_once()
        });
        if world.stage(1) == Staged::Unattended {
            world.flush();
        }
        receiver.join().unwrap();
        // The sender has called for it, whatever the receiver was doing, and it looks until nothing waits.
        while world.handoff.is_pending() {
            world.sweep();
        }
        assert_eq!(world.got(), [1]);
    });
}
