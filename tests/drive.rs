//! The driver and the drive: real Kinetic requests through the driver's C interface, with the two threads
//! that libkinetic has, over both engines.

mod common;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use common::{Client, drive, value, with_each_backend};
use kinetic_drive::{Faults, protocol::RequestBuilder};
use ktli_client::driver::URING;

#[test]
fn values_of_every_size_come_back_as_they_went() {
    with_each_backend(|| {
        let drive = drive(Faults::default());
        let mut client = Client::connect(&drive);
        // Around every border of the driver's: staged or not, buffered or direct.
        let sizes = [
            0,
            1,
            512,
            4096,
            48 << 10,
            (48 << 10) - 1,
            65_536,
            (128 << 10) - 200,
            (128 << 10) + 1,
            256 << 10,
            512 << 10,
            1 << 20,
            16 << 20,
        ];
        for (index, size) in sizes.into_iter().enumerate() {
            let value = value(size, index as u64);
            let first = client.builder.sequence;
            client.put(b"key", &value);
            client.get(b"key");
            assert!(client.expect(first).is_empty());
            assert!(client.expect(first + 1) == value, "a value of {size} bytes differs");
        }
    });
}

#[test]
fn many_outstanding_requests_keep_their_order() {
    with_each_backend(|| {
        let drive = drive(Faults::default());
        let mut client = Client::connect(&drive);
        let values: Vec<_> = (0..64).map(|index| value(index * index * 40, index as u64)).collect();
        let first = client.builder.sequence;
        for round in 0..10 {
            for (index, value) in values.iter().enumerate() {
                client.put(&[index as u8, round], value);
                client.get(&[index as u8, round]);
            }
        }
        for (index, value) in values.iter().cycle().take(640).enumerate() {
            assert!(client.expect(first + 2 * index as u64).is_empty());
            assert!(client.expect(first + 2 * index as u64 + 1) == *value);
        }
    });
}

/// A drive that is blocked on its answers takes no requests: whoever disconnects has to read, or what waits in
/// the driver never leaves.
#[test]
fn disconnecting_from_a_drive_that_is_blocked_on_its_answers_loses_nothing() {
    with_each_backend(|| {
        let drive = drive(Faults::default());
        let large = value(1 << 20, 1);
        Client::connect(&drive).put_and_wait(b"large", &large);
        let small = value(64 << 10, 2);
        let handle = URING.open().unwrap();
        handle.connect(drive.local_addr()).unwrap();
        let accepted = AtomicUsize::new(0);
        thread::scope(|scope| {
            let sender = scope.spawn(|| {
                // The second connection; its greeting is not received either.
                let mut builder = RequestBuilder::new(2);
                // More answers than all buffers hold, none of which is received.
                for _ in 0..100 {
                    let get = builder.get(b"large");
                    handle.send(&[&get.pdu, &get.message]).unwrap();
                }
                loop {
                    let key = accepted.load(Ordering::Relaxed).to_string();
                    let put = builder.put(key.as_bytes(), small.len() as u32);
                    if handle.send(&[&put.pdu, &put.message, &small]).is_err() {
                        return;
                    }
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
            });
            // Until the sender is stuck.
            let mut before = usize::MAX;
            while accepted.load(Ordering::Relaxed) != before {
                before = accepted.load(Ordering::Relaxed);
                thread::sleep(Duration::from_millis(300));
            }
            handle.disconnect().unwrap();
            sender.join().unwrap();
        });
        let accepted = accepted.into_inner();
        let mut client = Client::connect(&drive);
        for index in [0, accepted / 2, accepted - 1] {
            let sequence = client.builder.sequence;
            client.get(index.to_string().as_bytes());
            assert!(client.expect(sequence) == small, "put {index} of {accepted} is lost");
        }
    });
}
