//! What stands for everything around the handoff in the models: socket, drive, eventfd, and what the driver's other
//! files do with it.

use std::io;

use loom::{
    sync::{Arc, Condvar, Mutex},
    thread,
};

use crate::handoff::{Attention, Flushed, Handoff, Limit, Staged, Wire};

pub const CAPACITY: usize = 64;

/// What stands for socket, drive and eventfd.
pub struct World {
    pub handoff: Handoff,
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
    /// The sending direction is closed.
    closed: bool,
}

#[derive(Default)]
struct Events {
    count: u32,
    room: bool,
}

impl World {
    pub fn new(room: usize) -> Arc<World> {
        Arc::new(World {
            handoff: Handoff::new(CAPACITY),
            socket: Mutex::new(Socket { got: Vec::new(), room, shortages: 0, closed: false }),
            wake: Mutex::new(Events::default()),
            woken: Condvar::new(),
        })
    }

    pub fn wake(&self) {
        self.wake.lock().unwrap().count += 1;
        self.woken.notify_one();
    }

    /// The drive reads: there is room again.
    pub fn make_room(&self, room: usize) {
        self.socket.lock().unwrap().room += room;
        self.wake.lock().unwrap().room = true;
        self.woken.notify_one();
    }

    pub fn run_short(&self, shortages: usize) {
        self.socket.lock().unwrap().shortages = shortages;
    }

    /// `Handoff::flush` as the receiver, the sweeper and `Connection::flush_now` call it.
    pub fn flush_now(&self) -> Flushed {
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

    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut socket = self.socket.lock().unwrap();
        if socket.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(socket.room);
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        socket.room -= count;
        socket.got.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// `Connection::close_sending`.
    pub fn close_sending(&self) {
        self.socket.lock().unwrap().closed = true;
    }

    pub fn got(&self) -> Vec<u8> {
        self.socket.lock().unwrap().got.clone()
    }

    /// `Transmit::stage`: one byte stands for a message.
    pub fn stage(&self, message: u8) -> Staged {
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
    pub fn send_all(&self, wire: &mut Wire, message: &[u8]) {
        while !wire.pending().is_empty() {
            let count = self.send(wire.pending()).unwrap();
            wire.sent(count);
        }
        if !message.is_empty() {
            assert_eq!(self.send(message).unwrap(), message.len());
        }
    }

    /// `Transmit::send` of a large message.
    pub fn large(&self, message: &[u8]) {
        self.send_all(&mut self.handoff.begin_flush().unwrap(), message);
        self.answer();
    }

    /// `Transmit::send` of a small message, with few outstanding.
    pub fn small(&self, message: u8) {
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
    pub fn flush(&self) {
        self.send_all(&mut self.handoff.begin_flush().unwrap(), &[]);
    }

    /// The loop of `receive::wait`, until the drive has got `count` bytes: those are the answers that
    /// the receive waits for. `large`: they have large values.
    pub fn receive(&self, count: usize, large: bool) {
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

    /// The same after a look, as in `Receive::look_between`.
    pub fn look_and_receive(&self, count: usize) {
        self.handoff.look();
        self.flush_now();
        self.handoff.woken(false);
        self.receive(count, false);
    }

    /// One pass of that loop: a receive that ends, or a poll whose time has passed, before everything is
    /// sent. The caller then does something else.
    pub fn receive_once(&self) {
        self.handoff.arrive();
        self.flush_now();
        if self.handoff.fall_asleep(false, false) {
            thread::yield_now();
            self.handoff.woken(false);
        }
    }

    /// The sweeper's ticks, after the sender has called for it.
    pub fn sweep(&self) {
        for _ in 0..2 {
            if self.handoff.is_neglected() {
                self.flush_now();
            }
        }
    }

    /// The drive answers what it has got: wakes a receiver that waits for it. Called by whoever else
    /// than the receiver has sent.
    pub fn answer(&self) {
        // Under the lock, so that it does not fall between the receiver's look and its wait.
        let _events = self.wake.lock().unwrap();
        self.woken.notify_one();
    }
}
