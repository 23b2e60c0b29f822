//! One run: keeps requests outstanding on some connections for some time, in libkinetic's calling pattern.
//!
//! Each connection has a sender thread and a receiver thread. The receiver polls for 10 ms, receives nine bytes
//! into fresh memory, then message and value with one call into fresh memory. The threads run until they are
//! told to stop; what is measured is a piece out of the middle.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use kinetic_drive::protocol::{Answer, DEFAULT_KEY, Encoded, HmacKey, PDU_SIZE, Pdu, RequestBuilder};
use ktli_client::{
    driver::{Driver, Handle},
    peer::Peer,
};

use crate::{cpu, credits::Credits, frame, results::Operation};

/// How long a run without any answer goes on before it counts as failed.
const STALL: Duration = Duration::from_secs(5);

/// What to do in a run.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// What is asked for.
    pub operation: Operation,
    /// Bytes of a value.
    pub size: usize,
    /// Requests outstanding on each connection.
    pub outstanding: usize,
    /// Connections.
    pub connections: usize,
    /// How long to run before anything is measured.
    pub warm_up: Duration,
    /// How long to measure.
    pub time: Duration,
    /// The peer is a real drive, and gets real requests.
    pub real: bool,
    /// Over TLS.
    pub tls: bool,
}

/// What a run shows.
#[derive(Clone, Debug)]
pub struct Run {
    /// Requests that were answered while it was measured.
    pub requests: u64,
    /// How long that was.
    pub time: Duration,
    /// The client's CPU time meanwhile.
    pub cpu: Duration,
    /// The peer's.
    pub peer_cpu: Duration,
    /// The driver's system calls, per request.
    pub calls: f64,
    /// Nanoseconds from before `send` until the answer was received.
    pub latency: Histogram<u64>,
}

/// An empty histogram: up to a minute, to one per cent.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(100, 60_000_000_000, 2).expect("the bounds are constants")
}

/// Counts of one receiver, on cache lines of their own.
#[derive(Default)]
#[repr(align(128))]
struct Answered(AtomicU64);

struct Connection {
    handle: Handle,
    credits: Credits,
    answered: Answered,
    /// When each outstanding request was sent, in nanoseconds since `Shared::start`.
    sent: Box<[AtomicU64]>,
}

struct Shared {
    start: Instant,
    work: Work,
    /// Latencies are recorded.
    measuring: AtomicBool,
    /// Receivers end when they find nothing.
    ending: AtomicBool,
    value: Vec<u8>,
}

/// Runs `work` over `driver` against `peer`.
pub fn run(driver: Driver, peer: &Peer, work: Work) -> io::Result<Run> {
    let value = if work.operation == Operation::Put { work.size } else { 0 };
    let shared = Arc::new(Shared {
        start: Instant::now(),
        work,
        measuring: AtomicBool::new(false),
        ending: AtomicBool::new(false),
        value: vec![0x56; value],
    });
    let mut connections = Vec::new();
    let mut threads = Vec::new();
    for number in 0..work.connections {
        let handle = driver.open()?;
        handle.connect_with(&peer.address.ip().to_string(), peer.address.port(), work.tls)?;
        let connection = Arc::new(Connection {
            handle,
            credits: Credits::new(0),
            answered: Answered::default(),
            sent: (0..work.outstanding.next_power_of_two()).map(|_| AtomicU64::new(0)).collect(),
        });
        let greeting = if work.real { greeting(&connection.handle)? } else { 0 };
        threads.push(spawn({
            let (shared, connection) = (Arc::clone(&shared), Arc::clone(&connection));
            move || send(&shared, &connection, number, greeting).map(|()| histogram())
        })?);
        threads.push(spawn({
            let (shared, connection) = (Arc::clone(&shared), Arc::clone(&connection));
            move || receive(&shared, &connection)
        })?);
        connections.push(connection);
    }
    // Not before: a thousand connections that are already at work would keep the next one from being made.
    for connection in &connections {
        connection.credits.give(work.outstanding);
    }
    let answered = || -> u64 {
        connections.iter().map(|connection| connection.answered.0.load(Ordering::Relaxed)).sum()
    };
    let look = || -> io::Result<(u64, Instant, Duration, Duration)> {
        Ok((answered(), Instant::now(), cpu::used(), peer.cpu_time()?))
    };
    // With the answers that belong to them, and apart from the rest: it takes a driver milliseconds to tell of a thousand
    // connections, and then other threads may get the processor for a second. What was answered meanwhile was missing,
    // as if each request had cost twice as much.
    let count_calls = || -> (u64, u64) {
        (connections.iter().map(|connection| connection.handle.calls()).sum(), answered())
    };
    thread::sleep(work.warm_up);
    let calls_before = count_calls();
    let before = look()?;
    shared.measuring.store(true, Ordering::Relaxed);
    thread::sleep(work.time);
    // Now and then a connection stalls for a retransmission's time, whatever the driver.
    let patience = Instant::now() + STALL;
    while answered() == before.0 && Instant::now() < patience {
        thread::sleep(Duration::from_millis(10));
    }
    shared.measuring.store(false, Ordering::Relaxed);
    let after = look()?;
    let calls_after = count_calls();
    shared.ending.store(true, Ordering::Relaxed);
    for connection in &connections {
        connection.credits.close();
    }
    let mut latency = histogram();
    for thread in threads {
        let part = thread.join().map_err(|_| io::Error::other("a thread of the client has panicked"))??;
        latency.add(part).map_err(io::Error::other)?;
    }
    let run = Run {
        requests: after.0 - before.0,
        time: after.1 - before.1,
        cpu: after.2.saturating_sub(before.2),
        peer_cpu: after.3.saturating_sub(before.3),
        calls: (calls_after.0 - calls_before.0) as f64 / (calls_after.1 - calls_before.1).max(1) as f64,
        latency,
    };
    if run.requests == 0 {
        return Err(io::Error::other("no answers"));
    }
    Ok(run)
}

fn spawn<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    // Small stacks: there may be two thousand of them.
    thread::Builder::new().stack_size(128 << 10).spawn(body)
}

/// The number that a real drive gives the connection, in its first message.
fn greeting(handle: &Handle) -> io::Result<i64> {
    while !handle.poll(10)? {}
    let [pdu] = handle.receive_fresh([PDU_SIZE])?;
    let pdu = Pdu::decode(pdu.first_chunk().expect("nine bytes")).map_err(io::Error::other)?;
    let [message, _] = handle.receive_fresh([pdu.message_len as usize, pdu.value_len as usize])?;
    let answer = Answer::decode(&message, &HmacKey::new(DEFAULT_KEY)).map_err(io::Error::other)?;
    answer.connection_id().ok_or_else(|| io::Error::other("the drive's greeting has no connection number"))
}

fn send(shared: &Shared, connection: &Connection, number: usize, greeting: i64) -> io::Result<()> {
    let work = &shared.work;
    let (pdu, message) = frame::request(work.operation, work.size);
    let bare = Encoded { pdu: pdu.encode(), message, sequence: 0 };
    let mut builder = RequestBuilder::new(greeting);
    let keys: Vec<Vec<u8>> = (0..16).map(|key| format!("bench/{number}/{key}").into_bytes()).collect();
    let mask = connection.sent.len() - 1;
    let mut sequence = 0;
    loop {
        let credits = connection.credits.take();
        if credits == 0 {
            return Ok(());
        }
        for _ in 0..credits {
            let real;
            let request = if work.real {
                let key = &keys[sequence % keys.len()];
                // The first requests store what the later ones get.
                real = match work.operation {
                    Operation::Put => builder.put(key, work.size as u32),
                    Operation::Get => builder.get(key),
                };
                &real
            } else {
                &bare
            };
            let at = shared.start.elapsed().as_nanos() as u64;
            connection.sent[sequence & mask].store(at, Ordering::Relaxed);
            let pieces: [&[u8]; 3] = [&request.pdu, &request.message, &shared.value];
            let pieces = if shared.value.is_empty() { &pieces[..2] } else { &pieces[..] };
            connection.handle.send(pieces)?;
            sequence += 1;
        }
    }
}

fn receive(shared: &Shared, connection: &Connection) -> io::Result<Histogram<u64>> {
    let expected = if shared.work.operation == Operation::Get { shared.work.size } else { 0 };
    let mask = connection.sent.len() - 1;
    let mut latency = histogram();
    let mut answered = 0;
    loop {
        if !connection.handle.poll(10)? {
            if shared.ending.load(Ordering::Relaxed) {
                return Ok(latency);
            }
            continue;
        }
        let [pdu] = connection.handle.receive_fresh([PDU_SIZE])?;
        let pdu = Pdu::decode(pdu.first_chunk().expect("nine bytes")).map_err(io::Error::other)?;
        let lengths = [pdu.message_len as usize, pdu.value_len as usize];
        let [_message, value] = connection.handle.receive_fresh(lengths)?;
        if value.len() != expected {
            return Err(io::Error::other(format!("a value of {} bytes instead of {expected}", value.len())));
        }
        if shared.measuring.load(Ordering::Relaxed) {
            let sent = connection.sent[answered as usize & mask].load(Ordering::Relaxed);
            latency.saturating_record(shared.start.elapsed().as_nanos() as u64 - sent);
        }
        answered += 1;
        connection.answered.0.store(answered, Ordering::Relaxed);
        connection.credits.give(1);
    }
}

/// Puts what is to be got from a real drive.
pub fn prepare(address: SocketAddr, work: &Work) -> io::Result<()> {
    let handle = ktli_client::driver::URING.open()?;
    handle.connect(address)?;
    let mut builder = RequestBuilder::new(greeting(&handle)?);
    let value = vec![0x56; work.size];
    for number in 0..work.connections {
        for key in 0..16 {
            let request = builder.put(format!("bench/{number}/{key}").as_bytes(), work.size as u32);
            let pieces: [&[u8]; 3] = [&request.pdu, &request.message, &value];
            handle.send(if value.is_empty() { &pieces[..2] } else { &pieces })?;
            while !handle.poll(10)? {}
            let [pdu] = handle.receive_fresh([PDU_SIZE])?;
            let pdu = Pdu::decode(pdu.first_chunk().expect("nine bytes")).map_err(io::Error::other)?;
            handle.receive_fresh([pdu.message_len as usize, pdu.value_len as usize])?;
        }
    }
    Ok(())
}
