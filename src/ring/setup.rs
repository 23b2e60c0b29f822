//! Making rings: which flags, on which kernels, and what to say when the kernel refuses.

use std::{
    io,
    os::fd::{AsRawFd, RawFd},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use io_uring::{IoUring, Probe, opcode};
use log::{debug, info};

use crate::{
    fork::{self, PerProcess},
    socket::calls,
};

/// Entries of a submission queue: a half queues at most five before it submits.
pub const ENTRIES: u32 = 8;

/// Submission by a kernel thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sqpoll {
    /// After how many milliseconds without work the thread sleeps.
    pub idle_ms: u32,
    /// The CPU to which it is bound.
    pub cpu: Option<u32>,
}

/// One step of the ladder: the flags of a ring.
struct Rung {
    name: &'static str,
    set: fn(&mut io_uring::Builder),
}

/// From what suits best to what every kernel has. By the prototypes' measurements no rung is faster
/// than another beyond noise, so the order is by meaning: with DEFER_TASKRUN completions are made
/// only inside the driver's own calls, and never interrupt a system call of the program's.
const LADDER: &[Rung] = &[
    Rung {
        name: "SINGLE_ISSUER|DEFER_TASKRUN|SUBMIT_ALL", // Linux 6.1
        set: |builder| {
            builder.setup_single_issuer().setup_defer_taskrun().setup_submit_all();
        },
    },
    Rung {
        name: "COOP_TASKRUN|TASKRUN_FLAG|SUBMIT_ALL", // Linux 5.19
        set: |builder| {
            builder.setup_coop_taskrun().setup_taskrun_flag().setup_submit_all();
        },
    },
    Rung { name: "no flags", set: |_| {} },
];

/// With SQPOLL the kernel refuses DEFER_TASKRUN (EINVAL).
const SQPOLL_LADDER: &[Rung] = &[
    Rung {
        name: "SQPOLL|SINGLE_ISSUER|SUBMIT_ALL",
        set: |builder| {
            builder.setup_single_issuer().setup_submit_all();
        },
    },
    Rung { name: "SQPOLL", set: |_| {} },
];

/// What the kernel offers.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The flags of the rings, by name.
    pub flags: &'static str,
    /// What of the kernel's later features is there, by name, for people to read.
    pub features: Vec<&'static str>,
}

/// Why there are no rings.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The errno value of the refusal, or ENOSYS where something is missing.
    pub errno: i32,
    /// What it means and what to do about it.
    pub advice: String,
}

impl Refusal {
    /// Says what an error of io_uring_setup(2) means.
    pub fn new(error: &io::Error) -> Refusal {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        let advice = match errno {
            libc::ENOSYS => {
                "the kernel has no io_uring, or a seccomp filter hides it: \
                             allow io_uring_setup, io_uring_enter and io_uring_register there"
            }
            libc::EPERM | libc::EACCES => {
                "the sysctl kernel.io_uring_disabled or a seccomp filter (the default in containers) \
                 refuses it: set the sysctl to 0, or allow io_uring_setup, io_uring_enter and \
                 io_uring_register in the filter"
            }
            libc::ENOMEM => "the limit on locked memory is too low for this kernel: raise 'ulimit -l'",
            libc::EMFILE | libc::ENFILE => "no descriptors are left: raise 'ulimit -n'",
            _ => "the kernel gave no known reason",
        };
        Refusal { errno, advice: format!("{error}: {advice}") }
    }

    fn missing(what: &str) -> Refusal {
        Refusal {
            errno: libc::ENOSYS,
            advice: format!("the kernel's io_uring lacks {what}: Linux 5.13 or later is needed"),
        }
    }
}

/// What the kernel offers, found out by making a ring. An answer that will not change is remembered; a
/// refusal for want of descriptors or memory is asked again.
pub fn probe() -> Result<Facts, Refusal> {
    static ANSWER: OnceLock<Result<Facts, Refusal>> = OnceLock::new();
    if let Some(answer) = ANSWER.get() {
        return answer.clone();
    }
    let answer = ask_elsewhere();
    let lasting = |errno| matches!(errno, libc::ENOSYS | libc::EPERM | libc::EACCES);
    if answer.as_ref().map_or_else(|refusal| lasting(refusal.errno), |_| true) {
        // Not get_or_init: a child forked in the middle of it would wait for ever.
        let _ = ANSWER.set(answer.clone());
    }
    answer
}

/// Asks the kernel on a thread that ends with it. When a ring is closed, the kernel has one more piece of work for each
/// thread that has used it, and interrupts what the thread is doing for that, somewhat later: a write(2) of 3.5 MiB to
/// a slow pipe, by the thread that had just connected, returned after 64 KiB.
fn ask_elsewhere() -> Result<Facts, Refusal> {
    // The stack also carries the program's log callback.
    let asking = calls::with_signals_blocked(|| {
        thread::Builder::new().name("ktli-probe".into()).stack_size(256 << 10).spawn(ask)
    });
    match asking {
        // A panic goes where it would without the thread: to the C boundary.
        Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        // No thread can be had. An interrupted call is likely to be the least of that program's troubles.
        Err(_) => ask(),
    }
}

fn ask() -> Result<Facts, Refusal> {
    climb(LADDER, 0, ENTRIES, &|_| {}).map_err(|error| Refusal::new(&error)).and_then(|ring| examine(&ring))
}

fn examine(ring: &IoUring) -> Result<Facts, Refusal> {
    let params = ring.params();
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe).map_err(|_| Refusal::missing("a probe (5.6)"))?;
    // Without these the engines do not work. Multishot polls came together with resource tags.
    for (there, name) in [
        (params.is_feature_nodrop(), "NODROP (5.5)"),
        (params.is_feature_submit_stable(), "SUBMIT_STABLE (5.5)"),
        (params.is_feature_fast_poll(), "FAST_POLL (5.7)"),
        (params.is_feature_ext_arg(), "EXT_ARG (5.11)"),
        (params.is_feature_resource_tagging(), "multishot polls (5.13)"),
        (probe.is_supported(opcode::SendMsg::CODE), "SENDMSG"),
        (probe.is_supported(opcode::RecvMsg::CODE), "RECVMSG"),
        (probe.is_supported(opcode::Send::CODE), "SEND"),
        (probe.is_supported(opcode::Recv::CODE), "RECV"),
        (probe.is_supported(opcode::PollAdd::CODE), "POLL_ADD"),
        (probe.is_supported(opcode::AsyncCancel::CODE), "ASYNC_CANCEL"),
    ] {
        if !there {
            return Err(Refusal::missing(name));
        }
    }
    let features = [
        (probe.is_supported(opcode::SendMsgZc::CODE), "SENDMSG_ZC"),
        (params.is_feature_recvsend_bundle(), "RECVSEND_BUNDLE"),
        (params.is_feature_min_timeout(), "MIN_TIMEOUT"),
        (params.is_feature_no_iowait(), "NO_IOWAIT"),
    ];
    Ok(Facts {
        flags: LADDER[START.load(Ordering::Relaxed)].name,
        features: features.iter().filter(|(there, _)| *there).map(|(_, name)| *name).collect(),
    })
}

/// The rung on which the last ring of each ladder was made: no need to fall through again.
static START: AtomicUsize = AtomicUsize::new(0);
static SQPOLL_START: AtomicUsize = AtomicUsize::new(0);

/// Makes a ring with so many entries.
pub fn build(sqpoll: Option<Sqpoll>, entries: u32) -> io::Result<IoUring> {
    let Some(sqpoll) = sqpoll else {
        let start = START.load(Ordering::Relaxed);
        return climb(LADDER, start, entries, &|_| {});
    };
    let own = |builder: &mut io_uring::Builder| {
        builder.setup_sqpoll(sqpoll.idle_ms);
        if let Some(cpu) = sqpoll.cpu {
            builder.setup_sqpoll_cpu(cpu);
        }
    };
    anchor(&own)
        .and_then(|fd| {
            climb(SQPOLL_LADDER, SQPOLL_START.load(Ordering::Relaxed), entries, &|builder| {
                own(builder);
                builder.setup_attach_wq(fd);
            })
        })
        .or_else(|error| {
            info!("SQPOLL is refused ({error}): submitting by system call");
            build(None, entries)
        })
}

/// The descriptor of the ring whose kernel thread all rings of the process share. It does nothing else, and
/// is never closed.
fn anchor(own: &dyn Fn(&mut io_uring::Builder)) -> io::Result<RawFd> {
    static ANCHOR: PerProcess<Option<IoUring>> = PerProcess([const { Mutex::new(None) }; fork::DEPTH]);
    let mut anchor = ANCHOR.lock();
    if let Some(ring) = &*anchor {
        return Ok(ring.as_raw_fd());
    }
    let ring = climb(SQPOLL_LADDER, 0, ENTRIES, own)?;
    Ok(anchor.insert(ring).as_raw_fd())
}

/// Makes a ring with the flags of the first rung, from `start` on, that the kernel takes.
fn climb(
    ladder: &[Rung],
    start: usize,
    entries: u32,
    extra: &dyn Fn(&mut io_uring::Builder),
) -> io::Result<IoUring> {
    let mut last = io::Error::from_raw_os_error(libc::EINVAL);
    for (index, rung) in ladder.iter().enumerate().skip(start) {
        let mut builder = IoUring::builder();
        // A forked child has the program's memory, but must not have its rings.
        builder.dontfork();
        (rung.set)(&mut builder);
        extra(&mut builder);
        match builder.build(entries) {
            Ok(ring) => {
                let remembered = if ring.params().is_setup_sqpoll() { &SQPOLL_START } else { &START };
                remembered.store(index, Ordering::Relaxed);
                return Ok(ring);
            }
            // Only an unknown flag is a reason to try others.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                debug!("the kernel refuses rings with {}", rung.name);
                last = error;
            }
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_what_to_do() {
        let advice = |errno| Refusal::new(&io::Error::from_raw_os_error(errno)).advice;
        assert!(advice(libc::EPERM).contains("io_uring_disabled"));
        assert!(advice(libc::ENOSYS).contains("seccomp"));
        assert!(advice(libc::ENOMEM).contains("ulimit -l"));
    }

    #[test]
    fn each_rung_is_tried_after_an_unknown_flag_only() {
        fn refuse(builder: &mut io_uring::Builder) {
            // DEFER_TASKRUN without SINGLE_ISSUER is EINVAL on every kernel.
            builder.setup_defer_taskrun();
        }
        let ladder = [Rung { name: "refused", set: refuse }, Rung { name: "plain", set: |_| {} }];
        if probe().is_ok() {
            let ring = climb(&ladder, 0, ENTRIES, &|_| {}).unwrap();
            assert!(!ring.params().is_setup_single_issuer());
            assert!(climb(&ladder[..1], 0, ENTRIES, &|_| {}).is_err());
            START.store(0, Ordering::Relaxed);
        }
    }
}
