//! The floor: the same bytes with no work for single messages, sent in batches of 64 KiB and received in reads
//! of 256 KiB. No driver can be cheaper.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use kinetic_drive::protocol::PDU_SIZE;
use ktli_client::peer::Peer;

use crate::{
    cpu,
    credits::Credits,
    frame,
    load::{Run, Work, histogram},
    results::Operation,
};

const BATCH: usize = 64 << 10;
const READ: usize = 256 << 10;

/// Runs `work` with nothing but bytes.
pub fn run(peer: &Peer, work: Work) -> io::Result<Run> {
    let (pdu, message) = frame::request(work.operation, work.size);
    let mut request = pdu.encode().to_vec();
    request.extend_from_slice(&message);
    let back = match work.operation {
        Operation::Put => {
            request.resize(request.len() + work.size, 0x56);
            0
        }
        Operation::Get => work.size,
    };
    let answer = (PDU_SIZE + frame::ANSWER + back) as u64;
    let per_batch = (BATCH / request.len()).max(1);
    let batch = request.repeat(per_batch);
    let length = request.len();

    let stream = TcpStream::connect(peer.address)?;
    stream.set_nodelay(true)?;
    let credits = Credits::new(work.outstanding);
    let (received, calls) = (AtomicU64::new(0), [AtomicU64::new(0), AtomicU64::new(0)]);
    thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                let mut count = credits.take();
                if count == 0 {
                    return;
                }
                while count > 0 {
                    let now = count.min(per_batch);
                    for piece in batch[..now * length].chunks(BATCH) {
                        calls[0].fetch_add(1, Ordering::Relaxed);
                        if (&stream).write_all(piece).is_err() {
                            return;
                        }
                    }
                    count -= now;
                }
            }
        });
        scope.spawn(|| {
            let mut buffer = vec![0; READ];
            let mut bytes = 0;
            while let Ok(count @ 1..) = (&stream).read(&mut buffer) {
                calls[1].fetch_add(1, Ordering::Relaxed);
                let before = bytes / answer;
                bytes += count as u64;
                received.store(bytes / answer, Ordering::Relaxed);
                credits.give((bytes / answer - before) as usize);
            }
        });
        let look = || -> io::Result<_> {
            let calls = calls.iter().map(|calls| calls.load(Ordering::Relaxed)).sum::<u64>();
            let now = std::time::Instant::now();
            Ok((now, cpu::used(), peer.cpu_time()?, received.load(Ordering::Relaxed), calls))
        };
        thread::sleep(work.warm_up);
        let before = look();
        thread::sleep(work.time);
        let after = look();
        credits.close();
        stream.shutdown(Shutdown::Both)?;
        let (before, after) = (before?, after?);
        Ok(Run {
            requests: after.3 - before.3,
            time: after.0 - before.0,
            cpu: after.1.saturating_sub(before.1),
            peer_cpu: after.2.saturating_sub(before.2),
            calls: (after.4 - before.4) as f64 / (after.3 - before.3).max(1) as f64,
            latency: histogram(),
        })
    })
}
