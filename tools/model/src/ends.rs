//! The end of a connection against those who use it, and the sweeper's sleep against senders.

use loom::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::{
    handoff::{Attention, Limit, Staged},
    ticking,
    world::{CAPACITY, World},
};

/// A connection that somebody ends.
struct Ending {
    world: Arc<World>,
    leaving: AtomicBool,
    /// The sender's half, which `disconnect` takes away.
    half: Mutex<bool>,
}

impl Ending {
    fn new() -> Arc<Ending> {
        let world = World::new(CAPACITY);
        world.handoff.arrive();
        Arc::new(Ending { world, leaving: AtomicBool::new(false), half: Mutex::new(true) })
    }

    /// `Transmit::send` of a small message; true if it was accepted.
    fn send(&self, message: u8) -> bool {
        if self.leaving.load(Ordering::Acquire) {
            return false;
        }
        let handoff = &self.world.handoff;
        if handoff.attention() == Attention::Elsewhere
            && let Some(wire) = handoff.idle_wire()
        {
            let sent = self.world.send(&[message]).is_ok();
            drop(wire);
            return sent;
        }
        let limit = Limit { bytes: CAPACITY, messages: usize::MAX };
        match handoff.stage(1, limit, |bytes| bytes.push(message), || self.world.wake()) {
            Ok(Staged::Attended) => true,
            Ok(_) => {
                let mut wire = handoff.begin_flush().unwrap();
                while !wire.pending().is_empty() {
                    match self.world.send(wire.pending()) {
                        Ok(count) => wire.sent(count),
                        Err(_) => return false,
                    }
                }
                true
            }
            Err(_) => false,
        }
    }

    /// `Session::send`.
    fn send_by_half(&self, message: u8) -> bool {
        let half = self.half.lock().unwrap();
        *half && self.send(message)
    }

    /// `Connection::leave`.
    fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
        self.world.wake();
    }

    /// `drain`, as far as it sends.
    fn drain(&self) {
        loop {
            self.world.flush_now();
            if self.world.handoff.close() {
                return self.world.close_sending();
            }
            thread::yield_now();
        }
    }
}

/// Sends two messages in a thread of their own; what was accepted comes back.
fn sender(ending: &Arc<Ending>, send: fn(&Ending, u8) -> bool) -> thread::JoinHandle<Vec<u8>> {
    let ending = Arc::clone(ending);
    thread::spawn(move || [1, 2].into_iter().filter(|message| send(&ending, *message)).collect())
}

#[test]
fn what_is_accepted_beside_an_exit_has_left() {
    loom::model(|| {
        let ending = Ending::new();
        let sender = sender(&ending, Ending::send);
        ending.leave();
        ending.drain();
        assert_eq!(sender.join().unwrap(), ending.world.got());
    });
}

#[test]
fn what_is_sent_at_once_beside_an_exit_has_left() {
    loom::model(|| {
        let ending = Ending::new();
        ending.world.handoff.woken(true);
        let sender = sender(&ending, Ending::send);
        ending.leave();
        ending.drain();
        assert_eq!(sender.join().unwrap(), ending.world.got());
    });
}

#[test]
fn what_is_accepted_beside_an_exit_and_a_receiver_has_left() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let ending = Ending::new();
        let sender = sender(&ending, Ending::send);
        let receiver = thread::spawn({
            let world = Arc::clone(&ending.world);
            move || world.receive_once()
        });
        ending.leave();
        ending.drain();
        receiver.join().unwrap();
        assert_eq!(sender.join().unwrap(), ending.world.got());
    });
}

#[test]
fn what_is_accepted_before_a_disconnect_has_left_and_nothing_is_after() {
    loom::model(|| {
        let ending = Ending::new();
        let sender = sender(&ending, Ending::send_by_half);
        ending.leave();
        *ending.half.lock().unwrap() = false;
        ending.drain();
        let got = ending.world.got();
        assert_eq!(sender.join().unwrap(), got);
    });
}

#[test]
fn two_who_drain_at_once_neither_double_nor_reorder() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let ending = Ending::new();
        assert!(ending.send(1) && ending.send(2));
        let exit = thread::spawn({
            let ending = Arc::clone(&ending);
            move || ending.drain()
        });
        ending.drain();
        exit.join().unwrap();
        assert_eq!(ending.world.got(), [1, 2]);
    });
}

/// A sender, and a sweeper that is about to sleep for good; the receiver is away.
#[test]
fn the_sweeper_does_not_sleep_on_what_was_staged() {
    loom::model(|| {
        let world = World::new(CAPACITY);
        world.handoff.arrive();
        let on = Arc::new(AtomicBool::new(true));
        let sweeper = thread::spawn({
            let (world, on) = (Arc::clone(&world), Arc::clone(&on));
            move || {
                // Its first sleep comes before its first look.
                while world.got().is_empty() {
                    ticking::rest(&on, || world.handoff.is_pending(), thread::park);
                    thread::yield_now(); // a tick
                    world.sweep();
                }
            }
        });
        let limit = Limit { bytes: CAPACITY, messages: usize::MAX };
        let copy = |bytes: &mut Vec<u8>| {
            bytes.push(1);
            if !ticking::is_on(&on) {
                ticking::start(&on, || sweeper.thread().unpark());
            }
        };
        let staged = world.handoff.stage(1, limit, copy, || {}).unwrap();
        if staged == Staged::Unattended {
            world.flush();
            // Its loop ends by what the drive has got.
            ticking::start(&on, || sweeper.thread().unpark());
        }
        sweeper.join().unwrap();
        assert_eq!(world.got(), [1]);
    });
}
