//! The models: what the threads do, and what must hold in the end.

use loom::{sync::Arc, thread};

use crate::{
    handoff::Staged,
    world::{CAPACITY, World},
};

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
fn a_receiver_that_looks_leaves_nothing_behind() {
    for small in [false, true] {
        loom::model(move || {
            let world = World::new(CAPACITY);
            world.handoff.arrive();
            let sender = thread::spawn({
                let world = Arc::clone(&world);
                move || {
                    world.stage(1);
                    if small {
                        world.small(2);
                    } else {
                        assert_eq!(world.stage(2), Staged::Attended);
                    }
                }
            });
            world.look_and_receive(2);
            sender.join().unwrap();
            assert_eq!(world.got(), [1, 2]);
        });
    }
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
