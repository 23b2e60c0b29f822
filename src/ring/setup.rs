//! Making rings: which flags, on which kernels, and what to say when the kernel refuses.

use std::{
    io,
    os::fd::{AsRawFd, RawFd},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use io_uring::{IoUring, Probe, opcode};
use log::{debug, info};

use super::GETEVENTS;
use crate::{
    features::{Feature, Features, NEEDED},
    ffi::reserve,
    fork::{self, PerProcess},
    socket::threads,
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

/// The flags that a ring can be asked for, from what suits best to what every kernel has.
struct Ladder {
    rungs: &'static [&'static [Feature]],
    /// Those that the kernel has refused while it took a later one, a bit for each: no need to ask again.
    refused: AtomicUsize,
}

/// By the prototypes' measurements no rung is faster than another beyond noise, so the order is by meaning: with
/// `DEFER_TASKRUN` completions are made only inside the driver's own calls, and never interrupt a system call of the
/// program's.
static LADDER: Ladder = Ladder::new(&[
    &[Feature::SingleIssuer, Feature::DeferTaskrun, Feature::SubmitAll], // Linux 6.1
    &[Feature::CoopTaskrun, Feature::TaskrunFlag, Feature::SubmitAll],   // Linux 5.19
    &[],
]);

/// With SQPOLL the kernel refuses `DEFER_TASKRUN` (EINVAL).
static SQPOLL_LADDER: Ladder =
    Ladder::new(&[&[Feature::Sqpoll, Feature::SingleIssuer, Feature::SubmitAll], &[Feature::Sqpoll]]);

/// The flags of a rung for people to read, as the kernel's header names them.
fn name(rung: &[Feature]) -> String {
    let names: Vec<String> = rung.iter().map(|feature| feature.name().to_uppercase()).collect();
    if names.is_empty() { "no flags".into() } else { names.join("|") }
}

/// What the kernel offers. Copied where a ring is made, which a thread does when it first has to wait, between two
/// messages: nothing is allocated for that.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// What the driver can use. The flags of rings are among them until a ring with them is refused.
    pub features: Features,
    /// What else of the kernel's later features is there, by name, for people to read.
    others: [Option<&'static str>; 3],
}

impl Facts {
    /// What rings will be like, in words.
    pub fn describe(&self, sqpoll: bool) -> String {
        let flags = if sqpoll && self.features.has(Feature::Sqpoll) {
            "SQPOLL where the kernel allows it".into()
        } else {
            name(LADDER.open(self.features).next().map_or(&[], |(_, rung)| rung))
        };
        let zero_copy = self.features.has(Feature::SendmsgZc).then_some("SENDMSG_ZC");
        let others: Vec<_> = zero_copy.into_iter().chain(self.others.into_iter().flatten()).collect();
        format!("{flags}; two rings a connection; the kernel also has {}", others.join(", "))
    }
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
    /// Says what an error of `io_uring_setup(2)` means.
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

    fn missing(feature: Feature, switched_off: Features) -> Refusal {
        let (name, since) = (feature.name(), feature.since());
        let advice = if switched_off.has(feature) {
            format!("the options switch off {name} (Linux {since}), which every ring needs")
        } else {
            format!("the kernel's io_uring lacks {name} (Linux {since}): Linux 5.13 or later is needed")
        };
        Refusal { errno: libc::ENOSYS, advice }
    }
}

/// What the kernel offers, without what is `switched_off`.
pub fn probe(switched_off: Features) -> Result<Facts, Refusal> {
    let mut facts = kernel()?;
    facts.features = facts.features.without(switched_off);
    match NEEDED.iter().find(|feature| !facts.features.has(**feature)) {
        Some(feature) => Err(Refusal::missing(*feature, switched_off)),
        None => Ok(facts),
    }
}

/// What the kernel offers, found out by making a ring. An answer that will not change is remembered; a
/// refusal for want of descriptors or memory is asked again.
fn kernel() -> Result<Facts, Refusal> {
    static ANSWER: OnceLock<Result<Facts, Refusal>> = OnceLock::new();
    if let Some(answer) = ANSWER.get() {
        return answer.clone();
    }
    let answer = ask_elsewhere();
    let lasting = |errno| matches!(errno, libc::ENOSYS | libc::EPERM | libc::EACCES);
    if answer.as_ref().map_or_else(|refusal| lasting(refusal.errno), |_| true) {
        let kept = answer.clone();
        if reserve::check().is_ok() {
            // Not get_or_init: a child forked in the middle of it would wait for ever.
            let _ = ANSWER.set(kept);
        }
    }
    answer
}

/// Asks the kernel on a thread that ends with it. When a ring is closed, the kernel has one more piece of work for each
/// thread that has used it, and interrupts what the thread is doing for that, somewhat later: a write(2) of 3.5 MiB to
/// a slow pipe, by the thread that had just connected, returned after 64 KiB.
fn ask_elsewhere() -> Result<Facts, Refusal> {
    match threads::run_elsewhere(c"ktli-probe", ask) {
        // A panic goes where it would without the thread: to the C boundary.
        Ok(answer) => answer.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        // No thread can be had. An interrupted call is likely to be the least of that program's troubles.
        Err(_) => ask(),
    }
}

fn ask() -> Result<Facts, Refusal> {
    let ring = LADDER
        .climb(Features::ALL, ENTRIES, &|_| {})
        .and_then(|ring| try_entering(&ring).map(|()| ring))
        .map_err(|error| Refusal::new(&error))?;
    Ok(examine(&ring))
}

fn examine(ring: &IoUring) -> Facts {
    let params = ring.params();
    let mut probe = Probe::new();
    let probed = ring.submitter().register_probe(&mut probe).is_ok();
    let mut missing = Features::NONE;
    for (feature, there) in [
        (Feature::Nodrop, params.is_feature_nodrop()),
        (Feature::SubmitStable, params.is_feature_submit_stable()),
        (Feature::FastPoll, params.is_feature_fast_poll()),
        (Feature::ExtArg, params.is_feature_ext_arg()),
        // They came together.
        (Feature::MultishotPoll, params.is_feature_resource_tagging()),
        (Feature::Probe, probed),
        (Feature::Sendmsg, probe.is_supported(opcode::SendMsg::CODE)),
        (Feature::Send, probe.is_supported(opcode::Send::CODE)),
        (Feature::Recv, probe.is_supported(opcode::Recv::CODE)),
        (Feature::PollAdd, probe.is_supported(opcode::PollAdd::CODE)),
        (Feature::AsyncCancel, probe.is_supported(opcode::AsyncCancel::CODE)),
        (Feature::Write, probe.is_supported(opcode::Write::CODE)),
        (Feature::SendmsgZc, probe.is_supported(opcode::SendMsgZc::CODE)),
        // They came together, too.
        (Feature::CancelResult, probe.is_supported(opcode::SendMsgZc::CODE)),
        // Rings have nothing to do with it.
        (Feature::Ktls, false),
    ] {
        missing = missing.with(feature, !there);
    }
    let others = [
        (params.is_feature_recvsend_bundle(), "RECVSEND_BUNDLE"),
        (params.is_feature_min_timeout(), "MIN_TIMEOUT"),
        (params.is_feature_no_iowait(), "NO_IOWAIT"),
    ];
    Facts {
        features: Features::ALL.without(missing),
        others: others.map(|(there, name)| there.then_some(name)),
    }
}

/// Makes a ring with so many entries, with flags that are among `features`.
pub fn build(sqpoll: Option<Sqpoll>, entries: u32, features: Features) -> io::Result<IoUring> {
    let Some(sqpoll) = sqpoll else {
        return LADDER.climb(features, entries, &|_| {});
    };
    let own = |builder: &mut io_uring::Builder| {
        builder.setup_sqpoll(sqpoll.idle_ms);
        if let Some(cpu) = sqpoll.cpu {
            builder.setup_sqpoll_cpu(cpu);
        }
    };
    anchor(features, &own)
        .and_then(|fd| {
            SQPOLL_LADDER.climb(features, entries, &|builder| {
                own(builder);
                builder.setup_attach_wq(fd);
            })
        })
        .or_else(|error| {
            info!("SQPOLL is refused ({error}): submitting by system call");
            build(None, entries, features)
        })
}

/// A seccomp filter may allow rings to be made and not to be entered: that is better known before an operation is
/// queued.
pub(super) fn try_entering(ring: &IoUring) -> io::Result<()> {
    // SAFETY: No pointers are involved, and nothing is queued.
    match unsafe { ring.submitter().enter::<libc::sigset_t>(0, 0, GETEVENTS, None) } {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::ENOSYS)) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// The descriptor of the ring whose kernel thread all rings of the process share. It does nothing else, and
/// is never closed.
fn anchor(features: Features, own: &dyn Fn(&mut io_uring::Builder)) -> io::Result<RawFd> {
    static ANCHOR: PerProcess<Option<IoUring>> = PerProcess([const { Mutex::new(None) }; fork::DEPTH]);
    let mut anchor = ANCHOR.lock();
    if let Some(ring) = &*anchor {
        return Ok(ring.as_raw_fd());
    }
    let ring = SQPOLL_LADDER.climb(features, ENTRIES, own)?;
    Ok(anchor.insert(ring).as_raw_fd())
}

impl Ladder {
    const fn new(rungs: &'static [&'static [Feature]]) -> Self {
        Ladder { rungs, refused: AtomicUsize::new(0) }
    }

    /// The rungs that the kernel may take, with their places, of flags that are among `features`.
    fn open(&self, features: Features) -> impl Iterator<Item = (usize, &'static [Feature])> {
        let refused = self.refused.load(Ordering::Relaxed);
        let rungs = self.rungs.iter().copied().enumerate();
        rungs.filter(move |(place, rung)| {
            refused >> place & 1 == 0 && rung.iter().all(|feature| features.has(*feature))
        })
    }

    /// Makes a ring with the flags of the first rung that the kernel takes.
    fn climb(
        &self,
        features: Features,
        entries: u32,
        extra: &dyn Fn(&mut io_uring::Builder),
    ) -> io::Result<IoUring> {
        let mut last = io::Error::from_raw_os_error(libc::EINVAL);
        let mut refused = 0;
        for (place, rung) in self.open(features) {
            let mut builder = IoUring::builder();
            // A forked child has the program's memory, but must not have its rings.
            builder.dontfork();
            for feature in rung {
                ask_for(&mut builder, *feature);
            }
            extra(&mut builder);
            match builder.build(entries) {
                Ok(ring) => {
                    debug!("a ring with {}", name(rung));
                    self.refused.fetch_or(refused, Ordering::Relaxed);
                    return Ok(ring);
                }
                // Only an unknown flag is a reason to try others.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                    debug!("the kernel refuses rings with {}", name(rung));
                    refused |= 1 << place;
                    last = error;
                }
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }
}

/// Asks for a ring with a flag.
fn ask_for(builder: &mut io_uring::Builder, flag: Feature) {
    match flag {
        Feature::SingleIssuer => builder.setup_single_issuer(),
        Feature::DeferTaskrun => builder.setup_defer_taskrun(),
        Feature::CoopTaskrun => builder.setup_coop_taskrun(),
        Feature::TaskrunFlag => builder.setup_taskrun_flag(),
        Feature::SubmitAll => builder.setup_submit_all(),
        // SQPOLL has numbers, too: see `build`. All others are no flags.
        _ => builder,
    };
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
        // DEFER_TASKRUN without SINGLE_ISSUER is EINVAL on every kernel.
        let ladder = Ladder::new(&[&[Feature::DeferTaskrun], &[]]);
        let short = Ladder::new(&[&[Feature::DeferTaskrun]]);
        if probe(Features::NONE).is_ok() {
            assert!(short.climb(Features::ALL, ENTRIES, &|_| {}).is_err());
            assert_eq!(short.open(Features::ALL).count(), 1);
            assert!(ladder.climb(Features::ALL, 0, &|_| {}).is_err());
            assert_eq!(ladder.open(Features::ALL).count(), 2);
            assert!(ladder.climb(Features::ALL, ENTRIES, &|_| {}).is_ok());
            assert_eq!(ladder.open(Features::ALL).next(), Some((1, &[][..])));
        }
    }

    #[test]
    fn what_is_switched_off_is_not_asked_for() {
        let without = |text| {
            let off = Features::read_switched_off(text).0;
            Ladder::new(LADDER.rungs).open(Features::ALL.without(off)).map(|(place, _)| place).collect()
        };
        let all: Vec<usize> = without("");
        assert_eq!(all, [0, 1, 2]);
        assert_eq!(without("-defer_taskrun"), [1, 2]);
        assert_eq!(without("-taskrun_flag"), [0, 2]);
        assert_eq!(without("-submit_all"), [2]);
        assert!(probe(Features::NONE.with(Feature::ExtArg, true)).is_err_and(|refusal| {
            refusal.errno != libc::ENOSYS || refusal.advice.contains("ext_arg") || kernel().is_err()
        }));
    }
}
