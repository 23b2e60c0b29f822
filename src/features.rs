//! The features of the kernel that the driver uses, by name, and sets of them.
//!
//! `KTLI_URING_FEATURES=-defer_taskrun,-sendmsg_zc` makes the driver behave as on a kernel that lacks these two: it does
//! not ask for them and goes the way it goes there. So what happens on old kernels can be seen on any. What that is for
//! each of them says `docs/kernel-features.md`.

/// One feature. The numbers are the bits of `ktli_uring_config.features_off`, and stay as they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Feature {
    /// Flag of a ring: only one thread submits.
    SingleIssuer = 0,
    /// Flag of a ring: completions are made only when that thread waits for them.
    DeferTaskrun = 1,
    /// Flag of a ring: a thread is not interrupted for its completions.
    CoopTaskrun = 2,
    /// Flag of a ring: the submission queue tells that completions can be made.
    TaskrunFlag = 3,
    /// Flag of a ring: an entry that fails does not keep those behind it from being submitted.
    SubmitAll = 4,
    /// Flag of a ring: a kernel thread submits.
    Sqpoll = 5,
    /// Completions that find the queue full are kept.
    Nodrop = 6,
    /// What an entry points to need not outlive its submission.
    SubmitStable = 7,
    /// An operation on a socket that is not ready waits without a thread.
    FastPoll = 8,
    /// `io_uring_enter` takes a time-out.
    ExtArg = 9,
    /// A poll that stays armed.
    MultishotPoll = 10,
    /// The kernel can be asked for its operations.
    Probe = 11,
    /// Descriptors can be registered in a ring.
    RegisterFiles = 12,
    /// Operation SENDMSG.
    Sendmsg = 13,
    /// Operation SEND.
    Send = 14,
    /// Operation RECV.
    Recv = 15,
    /// Operation `POLL_ADD`.
    PollAdd = 16,
    /// Operation `ASYNC_CANCEL`.
    AsyncCancel = 17,
    /// Operation WRITE.
    Write = 18,
    /// Operation `SENDMSG_ZC`.
    SendmsgZc = 19,
    /// The result of a cancelled transmission tells how much of it had left.
    CancelResult = 20,
    /// TLS in the kernel, with ChaCha20-Poly1305. The only one that is not io_uring's.
    Ktls = 21,
}

#[allow(clippy::enum_glob_use, reason = "tables of them fill the rest of this file")]
use Feature::*;

/// What is known of a feature.
struct Known {
    feature: Feature,
    name: &'static str,
    /// The first Linux that has it.
    since: &'static str,
}

const fn known(feature: Feature, name: &'static str, since: &'static str) -> Known {
    Known { feature, name, since }
}

/// All, in the order of their numbers.
const KNOWN: [Known; 22] = [
    known(SingleIssuer, "single_issuer", "6.0"),
    known(DeferTaskrun, "defer_taskrun", "6.1"),
    known(CoopTaskrun, "coop_taskrun", "5.19"),
    known(TaskrunFlag, "taskrun_flag", "5.19"),
    known(SubmitAll, "submit_all", "5.18"),
    known(Sqpoll, "sqpoll", "5.1"),
    known(Nodrop, "nodrop", "5.5"),
    known(SubmitStable, "submit_stable", "5.5"),
    known(FastPoll, "fast_poll", "5.7"),
    known(ExtArg, "ext_arg", "5.11"),
    known(MultishotPoll, "multishot_poll", "5.13"),
    known(Probe, "probe", "5.6"),
    known(RegisterFiles, "register_files", "5.1"),
    known(Sendmsg, "sendmsg", "5.3"),
    known(Send, "send", "5.6"),
    known(Recv, "recv", "5.6"),
    known(PollAdd, "poll_add", "5.1"),
    known(AsyncCancel, "async_cancel", "5.5"),
    known(Write, "write", "5.6"),
    known(SendmsgZc, "sendmsg_zc", "6.1"),
    known(CancelResult, "cancel_result", "6.1"),
    known(Ktls, "ktls", "5.11"),
];

/// Without one of these there are no rings.
pub const NEEDED: [Feature; 11] =
    [Nodrop, SubmitStable, FastPoll, ExtArg, MultishotPoll, Probe, Sendmsg, Send, Recv, PollAdd, AsyncCancel];

impl Feature {
    /// As it is written in `KTLI_URING_FEATURES`.
    pub fn name(self) -> &'static str {
        KNOWN[self as usize].name
    }

    /// The first Linux that has it.
    pub fn since(self) -> &'static str {
        KNOWN[self as usize].since
    }
}

/// A set of features.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Features(u64);

impl Features {
    /// The empty set.
    pub const NONE: Features = Features(0);

    /// All of them.
    pub const ALL: Features = Features((1 << KNOWN.len()) - 1);

    /// As the C structure has them. Bits of no feature are left out.
    pub fn from_bits(bits: u64) -> Self {
        Features(bits & Features::ALL.0)
    }

    /// As the C structure has them.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// With one more if `there`.
    pub fn with(self, feature: Feature, there: bool) -> Self {
        Features(self.0 | u64::from(there) << feature as u8)
    }

    /// Those that are not in `others`.
    pub fn without(self, others: Features) -> Self {
        Features(self.0 & !others.0)
    }

    /// Is it one of them?
    pub fn has(self, feature: Feature) -> bool {
        self.0 >> feature as u8 & 1 == 1
    }

    /// All features, with whether they are among these.
    pub fn each(self) -> impl Iterator<Item = (Feature, bool)> {
        KNOWN.iter().map(move |known| (known.feature, self.has(known.feature)))
    }

    /// Their names, with commas between.
    pub fn names(self) -> String {
        let names: Vec<&str> =
            KNOWN.iter().filter(|known| self.has(known.feature)).map(|known| known.name).collect();
        names.join(", ")
    }

    /// Reads what `KTLI_URING_FEATURES` switches off: names with a minus in front, and commas between. What cannot be
    /// read is given back.
    pub fn read_switched_off(text: &str) -> (Features, Vec<&str>) {
        let mut features = Features::NONE;
        let mut unknown = Vec::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let name = item.strip_prefix('-');
            match KNOWN.iter().find(|known| name == Some(known.name)) {
                Some(known) => features = features.with(known.feature, true),
                None => unknown.push(item),
            }
        }
        (features, unknown)
    }

    /// All that can be written in `KTLI_URING_FEATURES`.
    pub fn all_switched_off() -> String {
        KNOWN.map(|known| format!("-{}", known.name)).join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_stands_at_its_number() {
        for (number, known) in KNOWN.iter().enumerate() {
            assert_eq!(known.feature as usize, number);
            assert_eq!(Features::NONE.with(known.feature, true).bits(), 1 << number);
            assert_eq!(Features::read_switched_off(&format!("-{}", known.name)).0.bits(), 1 << number);
        }
        assert_eq!(Features::from_bits(u64::MAX), Features::ALL);
        assert_eq!(Features::ALL.names().split(", ").count(), KNOWN.len());
        assert_eq!(Features::read_switched_off(&Features::all_switched_off()), (Features::ALL, vec![]));
    }

    #[test]
    fn what_cannot_be_read_does_not_hide_the_rest() {
        let none = Features::NONE;
        assert_eq!(Features::read_switched_off(""), (none, vec![]));
        assert_eq!(Features::read_switched_off(" -send , ,-recv,"), {
            (none.with(Send, true).with(Recv, true), vec![])
        });
        assert_eq!(Features::read_switched_off("send,-msg_ring,-recv,--recv,-"), {
            (none.with(Recv, true), vec!["send", "-msg_ring", "--recv", "-"])
        });
    }

    #[test]
    fn sets_are_sets() {
        let both = Features::NONE.with(Send, true).with(Recv, true).with(Write, false);
        assert!(both.has(Send) && both.has(Recv) && !both.has(Write));
        assert_eq!(both.without(Features::NONE.with(Send, true)).names(), "recv");
    }
}
