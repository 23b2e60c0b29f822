//! `KTLI_URING_TRACE=FILE`: each call of the driver's functions is written to a file.
//!
//! A call only appends 48 bytes to a buffer. A thread of the library's own writes that to the file, ten times a second
//! and when half of it is used; what is left is written at the end of the process. A buffer that is full loses calls,
//! and counts them: a slow disk does not stop the program. After `_exit` or a killing signal the last tenth of a second
//! is missing. A call that never returns is never written. In a forked child nothing is written.

pub mod format;

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    sync::{
        Condvar, Mutex, Once, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use log::warn;

use self::format::{Header, Record};
use crate::{
    fork,
    socket::calls,
    sync::{lock, lock_soon},
};

/// Names the file.
const VARIABLE: &str = "KTLI_URING_TRACE";
/// How often the buffer is written.
const INTERVAL: Duration = Duration::from_millis(100);
/// The most bytes of a chunk: 87,380 calls.
const LIMIT: usize = 4 << 20;
/// How long the end of the process waits for the file.
const PATIENCE: Duration = Duration::from_secs(1);

/// Calls are written. The only thing that is looked at when they are not.
static ON: AtomicBool = AtomicBool::new(false);
static TRACER: OnceLock<Tracer> = OnceLock::new();

struct Tracer {
    /// The process, counted in forks.
    generation: u32,
    buffer: Mutex<Buffer>,
    /// There is much to write, or the end is near, or has been reached.
    changed: Condvar,
}

/// A chunk that is being filled. Room for its header comes first.
struct Buffer {
    bytes: Vec<u8>,
    lost: u64,
    /// Nothing more comes.
    ending: bool,
    /// All has been written.
    ended: bool,
}

/// Begins to write, in the process that first opens a session, if that is wanted.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let Some(name) = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()) else { return };
        if calls::is_privileged_for_another() {
            return;
        }
        let begun = open(name.as_ref()).and_then(|file| {
            let tracer = TRACER.get_or_init(|| Tracer {
                generation: fork::generation(),
                buffer: Mutex::new(Buffer { bytes: fresh(), lost: 0, ending: false, ended: false }),
                changed: Condvar::new(),
            });
            // Only this thread writes: beyond a limit on the size of files the kernel sends a signal to whoever does,
            // which ends the program unless it is blocked.
            calls::with_signals_blocked(|| {
                thread::Builder::new().name("ktli-trace".into()).spawn(|| tracer.write_all(file))
            })
        });
        match begun {
            Ok(_) => ON.store(true, Ordering::Relaxed),
            #[expect(clippy::unnecessary_debug_formatting, reason = "in quotes, control characters escaped")]
            Err(error) => warn!("{VARIABLE}={name:?}: {error}: not writing a trace"),
        }
    });
}

/// Only what never makes a write wait for a reader.
fn open(name: &std::path::Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).mode(0o600).custom_flags(libc::O_NONBLOCK).open(name)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    Ok(file)
}

/// Memory for a chunk, none of which is there before it is used.
fn fresh() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LIMIT);
    bytes.resize(Header::SIZE, 0);
    bytes
}

/// The time at which a call begins; 0 if calls are not written.
#[inline]
pub fn begin() -> u64 {
    if ON.load(Ordering::Relaxed) { calls::monotonic().max(1) } else { 0 }
}

/// Takes note of a call that has returned. `record` gets its duration and thread here.
#[cold]
pub fn end(record: Record) {
    let Some(tracer) = TRACER.get().filter(|tracer| tracer.generation == fork::generation()) else { return };
    let duration = calls::monotonic().saturating_sub(record.start);
    let record = Record { duration, thread: calls::own_thread_id(), ..record };
    let Some(mut buffer) = lock_soon(&tracer.buffer) else { return };
    if buffer.bytes.len() + Record::SIZE > LIMIT {
        buffer.lost += 1;
    } else {
        buffer.bytes.extend_from_slice(&record.to_bytes());
        let length = buffer.bytes.len();
        if length > LIMIT / 2 && length <= LIMIT / 2 + Record::SIZE {
            drop(buffer);
            tracer.changed.notify_one();
        }
    }
}

/// Has what is left written, at the end of the process, and waits for that, but not for ever.
pub fn finish() {
    if !ON.swap(false, Ordering::Relaxed) {
        return;
    }
    let Some(tracer) = TRACER.get().filter(|tracer| tracer.generation == fork::generation()) else { return };
    // The end of the process may have interrupted the very thread that holds it.
    let Some(mut buffer) = lock_soon(&tracer.buffer) else { return };
    buffer.ending = true;
    tracer.changed.notify_all();
    drop(tracer.changed.wait_timeout_while(buffer, PATIENCE, |buffer| !buffer.ended));
}

impl Tracer {
    /// Writes to `file` what comes, until the end.
    fn write_all(&self, mut file: File) {
        // The memory that the buffer gets when its own is written.
        let mut spare = fresh();
        let mut buffer = lock(&self.buffer);
        loop {
            if !buffer.ending {
                let waited = self.changed.wait_timeout(buffer, INTERVAL);
                buffer = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            let mut last = buffer.ending;
            if buffer.bytes.len() > Header::SIZE || buffer.lost > 0 {
                std::mem::swap(&mut buffer.bytes, &mut spare);
                let lost = std::mem::take(&mut buffer.lost);
                drop(buffer);
                if let Err(error) = write(&mut file, &mut spare, lost) {
                    // What follows a part of a chunk could not be read.
                    ON.store(false, Ordering::Relaxed);
                    warn!("the trace ends here: {error}");
                    last = true;
                }
                spare.truncate(Header::SIZE);
                buffer = lock(&self.buffer);
            }
            if last {
                buffer.ended = true;
                self.changed.notify_all();
                return;
            }
        }
    }
}

/// Writes a chunk.
fn write(file: &mut File, chunk: &mut [u8], lost: u64) -> io::Result<()> {
    let records = (chunk.len() - Header::SIZE) / Record::SIZE;
    let header = Header {
        process: std::process::id(),
        // At most what LIMIT has room for.
        records: records as u32,
        lost,
        epoch: calls::realtime().saturating_sub(calls::monotonic()),
    };
    chunk[..Header::SIZE].copy_from_slice(&header.to_bytes());
    file.write_all(chunk)
}
