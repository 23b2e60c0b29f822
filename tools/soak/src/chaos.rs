//! Everything around the sessions fails, at random and again and again.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use ktli_client::signals;
use serde_json::json;

use crate::{shared::Shared, tally::Wrong};

/// Signals a second.
const SIGNALS: u32 = 500;

/// Brings faults about until `stop`; then clears them all, and kills the drive a last time.
pub fn run(shared: &Shared, sessions: usize, seed: u64, stop: &AtomicBool) {
    let mut rng = Rng::with_seed(!seed);
    let mut fail = |what: &dyn Fn(&mut Rng) -> io::Result<()>| {
        if let Err(error) = what(&mut rng) {
            shared.tally.wrong(Wrong::Misdeed, format_args!("the drive cannot be handled: {error}"));
        }
    };
    while !stop.load(Ordering::Acquire) {
        fail(&|rng| one(shared, sessions, rng));
    }
    fail(&|_| {
        shared.drive.command(r#"{"command":"clear"}"#)?;
        shared.tally.fault("drive killed (SIGKILL) and started again");
        shared.drive.crash()
    });
}

/// Waits a moment, then does one thing.
fn one(shared: &Shared, sessions: usize, rng: &mut Rng) -> io::Result<()> {
    thread::sleep(Duration::from_millis(rng.u64(50..900)));
    let tally = &shared.tally;
    match rng.u32(0..100) {
        0..40 => {
            let (command, kind) =
                [("close", "connections closed by the drive"), ("reset", "connections reset by the drive")]
                    [rng.usize(0..2)];
            let connections = shared.drive.connections()?;
            let Some(connection) = rng.choice(connections) else { return Ok(()) };
            let command = json!({"command": command, "connection": connection});
            // It may have gone meanwhile.
            if shared.drive.command(&command.to_string()).is_ok() {
                tally.fault(kind);
            }
        }
        40..60 => {
            // From a third thread, whatever the others are doing.
            if let Some(line) = shared.line(rng.usize(0..sessions)) {
                // The session may have closed it.
                if line.handle.disconnect().is_ok() {
                    tally.fault("disconnected by a third thread");
                }
            }
        }
        60..86 => misbehave(shared, rng)?,
        86..92 => {
            shared.drive.freeze(Duration::from_millis(rng.u64(100..1500)))?;
            tally.fault("drive stopped (SIGSTOP) for a while");
        }
        92..96 => {
            shared.drive.restart()?;
            tally.fault("drive stopped (SIGTERM) and started again");
        }
        _ => {
            shared.drive.crash()?;
            tally.fault("drive killed (SIGKILL) and started again");
        }
    }
    Ok(())
}

/// Has the drive misbehave for a while, on all connections.
fn misbehave(shared: &Shared, rng: &mut Rng) -> io::Result<()> {
    let at = rng.u64(2..3000);
    let byte = rng.u64(0..3_000_000);
    let (kind, faults) = match rng.u32(0..13) {
        0 => ("plan: close at a request", json!({"close_at": at})),
        1 => ("plan: reset at a request", json!({"reset_at": at})),
        2 => ("plan: half an answer", json!({"half_at": at})),
        3 => ("plan: close at a byte", json!({"close_at_byte": byte})),
        4 => ("plan: reset at a byte", json!({"reset_at_byte": byte})),
        5 => ("plan: silence at a byte", json!({"silent_at_byte": byte})),
        6 => ("plan: answers in fragments", json!({"fragment": rng.u32(500..20_000)})),
        7 => ("plan: slow answers", json!({"jitter_ms": 5})),
        8 => ("plan: answers in another order", json!({"reorder": 8})),
        9 => ("plan: answers twice", json!({"duplicate_every": 3})),
        10 => ("plan: unknown answers", json!({"unknown_at": at})),
        11 => ("plan: no PDU", json!({"bad_magic_at": at})),
        _ => ("plan: no reading for a while", json!({"stop_reading_at": at, "stop_reading_ms": 700})),
    };
    let silent = faults["silent_at_byte"].is_number();
    if silent {
        shared.change_silence();
    }
    shared.drive.command(&json!({"command": "replace", "faults": faults}).to_string())?;
    thread::sleep(Duration::from_millis(rng.u64(300..1500)));
    shared.drive.command(r#"{"command":"clear"}"#)?;
    if silent {
        shared.change_silence();
    }
    shared.tally.fault(kind);
    Ok(())
}

/// Interrupts the threads of this process, one after the other.
pub fn interrupt(seed: u64, stop: &Arc<AtomicBool>) -> io::Result<()> {
    let mut rng = Rng::with_seed(seed.rotate_left(7));
    let mut threads = signals::threads()?;
    let mut listed = Instant::now();
    while !stop.load(Ordering::Acquire) {
        if listed.elapsed() > Duration::from_millis(200) {
            threads = signals::threads()?;
            listed = Instant::now();
        }
        if let Some(thread) = rng.choice(&threads) {
            signals::interrupt(*thread);
        }
        thread::sleep(Duration::from_secs(1) / SIGNALS);
    }
    Ok(())
}
