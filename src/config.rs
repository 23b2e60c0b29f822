//! The options: their names, ranges and defaults, from the environment and from C.
//!
//! An environment variable beats what the program set through `ktli_uring_configure`: it is the word
//! of whoever runs the program. The environment is read once, when the first session is opened or the
//! options are first asked for; a connection keeps the options with which it was made. In a program that
//! has more rights than whoever runs it (setuid, setgid, file capabilities) it is not read at all.

use std::{
    cell::RefCell,
    sync::{Mutex, OnceLock},
};

use log::warn;

#[cfg(feature = "tls")]
use crate::error::Errno;
use crate::{
    features::Features,
    ffi::reserve,
    ring::setup::Sqpoll,
    socket::calls,
    sync::{lock, lock_soon},
};

/// Which engine carries the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backend {
    /// io_uring, and plain system calls where the kernel refuses it.
    Auto,
    /// io_uring or nothing: `open` fails where the kernel refuses it.
    Uring,
    /// Plain system calls.
    Socket,
}

/// How a message gets from `send` to the socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendStrategy {
    /// Small ones are staged and sent in company, others go out whole.
    Auto,
    /// Each straight from the caller's memory: what the socket takes, and again.
    Loop,
    /// Each straight from the caller's memory, in one operation.
    Whole,
    /// Each straight from the caller's memory, in linked pieces.
    Chunked,
}

/// All options. Sizes are bytes, times are milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Which engine carries the bytes.
    pub backend: Backend,
    /// Look for the borders of Kinetic messages (false: `KTLI_URING_FRAMING=none`).
    pub framing: bool,
    /// On a dead connection let `poll` say 1 (true: `KTLI_URING_HANGUP=report`) instead of waiting.
    pub report_hangup: bool,
    /// What to ask of the kernel as send buffer.
    pub send_buffer: u32,
    /// What to ask of the kernel as receive buffer.
    pub receive_buffer: u32,
    /// How long `connect` may take, over all addresses.
    pub connect_timeout: u32,
    /// How long one `send` may take.
    pub send_timeout: u32,
    /// How long `disconnect` may take to bring what was accepted to the peer.
    pub linger: u32,
    /// Let a kernel thread do the submitting.
    pub sqpoll: bool,
    /// After how long without work that thread sleeps.
    pub sqpoll_idle: u32,
    /// The CPU of that thread; -1 for any.
    pub sqpoll_cpu: i32,
    /// How long a receiver looks for more before it sleeps, in microseconds; `None`: where that is worth it.
    pub spin: Option<u32>,
    /// How messages are sent.
    pub send_strategy: SendStrategy,
    /// From how many bytes on a message is sent without a copy; 0: none is.
    pub zero_copy: u32,
    /// Print what a connection has done when it ends.
    pub stats: bool,
    /// What of the kernel's io_uring is to be taken as missing.
    pub features_off: Features,
}

/// The default values.
pub const DEFAULTS: Options = Options {
    backend: Backend::Auto,
    framing: true,
    report_hangup: false,
    send_buffer: 5 << 20,
    receive_buffer: 5 << 20,
    connect_timeout: 10_000,
    send_timeout: 25_000,
    linger: 1_000,
    sqpoll: false,
    sqpoll_idle: 50,
    sqpoll_cpu: -1,
    spin: None,
    send_strategy: SendStrategy::Auto,
    zero_copy: 0,
    stats: false,
    features_off: Features::NONE,
};

/// The range of an option that is a number.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The least value.
    pub min: i64,
    /// The greatest value.
    pub max: i64,
}

/// Range of both socket buffers, in bytes.
pub const BUFFER: Range = Range { min: 1 << 20, max: 16 << 20 };
/// Range of the connect time-out, in milliseconds.
pub const CONNECT_TIMEOUT: Range = Range { min: 1, max: 600_000 };
/// Range of the send time-out, in milliseconds: always below the 30 s after which libkinetic gives a
/// request up and may free the memory that is being sent.
pub const SEND_TIMEOUT: Range = Range { min: 1, max: 29_000 };
/// Range of the linger time, in milliseconds.
pub const LINGER: Range = Range { min: 0, max: 60_000 };
/// Range of SQPOLL's idle time, in milliseconds.
pub const SQPOLL_IDLE: Range = Range { min: 1, max: 60_000 };
/// Range of SQPOLL's CPU.
pub const SQPOLL_CPU: Range = Range { min: -1, max: 4_095 };
/// Range of the time to spin, in microseconds.
pub const SPIN: Range = Range { min: 0, max: 1_000 };
/// Range of the size from which on messages are sent without a copy, in bytes. 0 is no size, but off.
pub const ZERO_COPY: Range = Range { min: 16 << 10, max: 64 << 20 };

impl Options {
    /// How long a receiver looks, as [`spin`](crate::spin) takes it. With SQPOLL only when told to: there the kernel's
    /// thread looks already.
    pub fn spin(&self) -> Option<u32> {
        self.spin.or(self.sqpoll.then_some(0))
    }

    /// SQPOLL as the ring layer takes it.
    pub fn sqpoll(&self) -> Option<Sqpoll> {
        self.sqpoll.then(|| Sqpoll { idle_ms: self.sqpoll_idle, cpu: u32::try_from(self.sqpoll_cpu).ok() })
    }

    /// These options, changed by the variables that `lookup` knows. Each value that cannot be used is
    /// told to `complain` and leaves the option as it was.
    pub fn read(
        mut self,
        lookup: &dyn Fn(&str) -> Option<String>,
        complain: &mut dyn FnMut(String),
    ) -> Options {
        let mut reader = Reader { lookup, complain };
        reader.word(
            "BACKEND",
            &mut self.backend,
            &[("auto", Backend::Auto), ("uring", Backend::Uring), ("socket", Backend::Socket)],
        );
        reader.word("FRAMING", &mut self.framing, &[("kinetic", true), ("none", false)]);
        reader.word("HANGUP", &mut self.report_hangup, &[("wait", false), ("report", true)]);
        reader.number("SNDBUF", &mut self.send_buffer, BUFFER);
        reader.number("RCVBUF", &mut self.receive_buffer, BUFFER);
        reader.number("CONNECT_TIMEOUT", &mut self.connect_timeout, CONNECT_TIMEOUT);
        reader.number("SEND_TIMEOUT", &mut self.send_timeout, SEND_TIMEOUT);
        reader.number("LINGER", &mut self.linger, LINGER);
        reader.word("SQPOLL", &mut self.sqpoll, &[("0", false), ("1", true)]);
        reader.number("SQPOLL_IDLE", &mut self.sqpoll_idle, SQPOLL_IDLE);
        reader.number("SQPOLL_CPU", &mut self.sqpoll_cpu, SQPOLL_CPU);
        reader.number_or_auto("SPIN", &mut self.spin, SPIN);
        reader.word(
            "SEND",
            &mut self.send_strategy,
            &[
                ("auto", SendStrategy::Auto),
                ("loop", SendStrategy::Loop),
                ("whole", SendStrategy::Whole),
                ("chunked", SendStrategy::Chunked),
            ],
        );
        reader.number_or_off("ZC", &mut self.zero_copy, ZERO_COPY);
        reader.word("STATS", &mut self.stats, &[("0", false), ("1", true)]);
        reader.features("FEATURES", &mut self.features_off);
        if self.sqpoll && self.zero_copy > 0 {
            // When a program is killed, the kernel's thread looks for the notifications of its zero-copy sends, without
            // a pause, before it ends, and keeps the socket open. With a drive that did not read, the dead program took
            // a core until the connection was reset (Linux 6.18).
            complain("KTLI_URING_SQPOLL and KTLI_URING_ZC exclude each other: not using SQPOLL".into());
            self.sqpoll = false;
        }
        self
    }
}

struct Reader<'r> {
    lookup: &'r dyn Fn(&str) -> Option<String>,
    complain: &'r mut dyn FnMut(String),
}

impl Reader<'_> {
    fn word<T: Copy + PartialEq>(&mut self, name: &str, option: &mut T, words: &[(&str, T)]) {
        let name = format!("KTLI_URING_{name}");
        let Some(text) = (self.lookup)(&name) else { return };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            *option = *value;
            return;
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let kept = words.iter().find(|(_, value)| value == option).map_or("", |(word, _)| word);
        (self.complain)(format!("{name}={text:?} is not one of {}: using {kept}", known.join(", ")));
    }

    fn number<T: Copy + TryFrom<i64> + Into<i64>>(&mut self, name: &str, option: &mut T, range: Range) {
        let name = format!("KTLI_URING_{name}");
        let Some(text) = (self.lookup)(&name) else { return };
        let number = text.parse().ok().filter(|number| (range.min..=range.max).contains(number));
        if let Some(value) = number.and_then(|number| T::try_from(number).ok()) {
            *option = value;
            return;
        }
        let kept: i64 = (*option).into();
        (self.complain)(format!(
            "{name}={text:?} is not a number from {} to {}: using {kept}",
            range.min, range.max
        ));
    }

    /// As [`number`](Self::number), where 0 switches the option off.
    fn number_or_off(&mut self, name: &str, option: &mut u32, range: Range) {
        if (self.lookup)(&format!("KTLI_URING_{name}")).as_deref() == Some("0") {
            *option = 0;
        } else {
            self.number(name, option, range);
        }
    }

    /// As [`number`](Self::number), where `auto` is `None`.
    fn number_or_auto(&mut self, name: &str, option: &mut Option<u32>, range: Range) {
        let name = format!("KTLI_URING_{name}");
        let Some(text) = (self.lookup)(&name) else { return };
        // As every other number is read: "-0" is one.
        let number = text.parse::<i64>().ok().filter(|number| (range.min..=range.max).contains(number));
        let number = number.and_then(|number| u32::try_from(number).ok());
        if text == "auto" || number.is_some() {
            *option = number;
            return;
        }
        let kept = option.map_or("auto".into(), |kept| kept.to_string());
        (self.complain)(format!(
            "{name}={text:?} is neither auto nor a number from {} to {}: using {kept}",
            range.min, range.max
        ));
    }

    /// What is known in the list counts, whatever stands beside it: the list may be one for a later version.
    fn features(&mut self, name: &str, off: &mut Features) {
        let name = format!("KTLI_URING_{name}");
        let Some(text) = (self.lookup)(&name) else { return };
        let (features, unknown) = Features::read_switched_off(&text);
        *off = features;
        if !unknown.is_empty() {
            (self.complain)(format!(
                "{name}={text:?}: not using {}, which is not one of {}",
                unknown.join(","),
                Features::all_switched_off()
            ));
        }
    }
}

/// What the program set, or the defaults.
static PROGRAM: Mutex<Options> = Mutex::new(DEFAULTS);

/// Variables that are no options: texts, which whoever needs them asks for.
pub const TEXTS: [&str; 5] = [
    "KTLI_URING_TLS_VERIFY",
    "KTLI_URING_TLS_CA",
    "KTLI_URING_TLS_PIN",
    "KTLI_URING_TLS_CERT",
    "KTLI_URING_TLS_KEY",
];

/// The variables that are set. Read once: the environment may be changed later by threads that this library cannot stop.
static VARIABLES: OnceLock<Vec<(String, String)>> = OnceLock::new();

fn environment(options: Options, complain: bool) -> Options {
    let mut complain = |text| {
        if complain {
            warn!("{text}");
        }
    };
    if let Some(variables) = VARIABLES.get() {
        let find = |name: &str| variables.iter().find(|(known, _)| known == name);
        return options.read(&|name| find(name).map(|(_, value)| value.clone()), &mut complain);
    }
    let found = RefCell::new(Vec::new());
    let trusted = !calls::is_privileged_for_another();
    let lookup = |name: &str| {
        let value = std::env::var_os(name).filter(|_| trusted)?.to_string_lossy().into_owned();
        found.borrow_mut().push((name.to_string(), value.clone()));
        Some(value)
    };
    let options = options.read(&lookup, &mut complain);
    for name in TEXTS {
        lookup(name);
    }
    if reserve::check().is_ok() {
        let _ = VARIABLES.set(found.into_inner());
    }
    options
}

/// The value of the variable of this name, one of those that are texts. Fails where there was no memory to remember them.
#[cfg(feature = "tls")]
pub fn variable(name: &str) -> Result<Option<String>, Errno> {
    debug_assert!(TEXTS.contains(&name));
    let variables = VARIABLES.get().ok_or(Errno::NOMEM)?;
    Ok(variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
}

/// The options in force for sessions that connect from now on.
pub fn current() -> Options {
    static COMPLAINED: OnceLock<()> = OnceLock::new();
    let mut first = false;
    COMPLAINED.get_or_init(|| first = true);
    environment(program(), first)
}

/// What the program set, without the environment.
pub fn program() -> Options {
    lock_soon(&PROGRAM).map_or(DEFAULTS, |options| *options)
}

/// Sets the program's options.
pub fn set(options: Options) {
    *lock(&PROGRAM) = options;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Options, Vec<String>) {
        let mut complaints = Vec::new();
        let options = DEFAULTS.read(
            &|name| variables.iter().find(|(known, _)| *known == name).map(|(_, v)| v.to_string()),
            &mut |text| complaints.push(text),
        );
        (options, complaints)
    }

    #[test]
    fn every_option_can_be_set() {
        let (options, complaints) = read(&[
            ("KTLI_URING_BACKEND", "socket"),
            ("KTLI_URING_FRAMING", "none"),
            ("KTLI_URING_HANGUP", "report"),
            ("KTLI_URING_SNDBUF", "1048576"),
            ("KTLI_URING_RCVBUF", "16777216"),
            ("KTLI_URING_CONNECT_TIMEOUT", "1"),
            ("KTLI_URING_SEND_TIMEOUT", "29000"),
            ("KTLI_URING_LINGER", "0"),
            ("KTLI_URING_SQPOLL", "1"),
            ("KTLI_URING_SQPOLL_IDLE", "7"),
            ("KTLI_URING_SQPOLL_CPU", "1"),
            ("KTLI_URING_SPIN", "60"),
            ("KTLI_URING_SEND", "chunked"),
            ("KTLI_URING_STATS", "1"),
            ("KTLI_URING_FEATURES", "-single_issuer,-coop_taskrun"),
        ]);
        assert_eq!(complaints, [""; 0]);
        assert_eq!(
            options,
            Options {
                backend: Backend::Socket,
                framing: false,
                report_hangup: true,
                send_buffer: 1 << 20,
                receive_buffer: 16 << 20,
                connect_timeout: 1,
                send_timeout: 29_000,
                linger: 0,
                sqpoll: true,
                sqpoll_idle: 7,
                sqpoll_cpu: 1,
                spin: Some(60),
                send_strategy: SendStrategy::Chunked,
                zero_copy: 0,
                stats: true,
                features_off: Features::from_bits(5),
            }
        );
        assert_eq!(options.sqpoll(), Some(Sqpoll { idle_ms: 7, cpu: Some(1) }));
    }

    #[test]
    fn zero_copy_excludes_sqpoll() {
        let (options, complaints) = read(&[("KTLI_URING_ZC", "1048576")]);
        assert_eq!(options, Options { zero_copy: 1 << 20, ..DEFAULTS });
        assert_eq!(complaints, [""; 0]);
        let (options, complaints) = read(&[("KTLI_URING_ZC", "1048576"), ("KTLI_URING_SQPOLL", "1")]);
        assert_eq!(options, Options { zero_copy: 1 << 20, ..DEFAULTS });
        assert_eq!(complaints, ["KTLI_URING_SQPOLL and KTLI_URING_ZC exclude each other: not using SQPOLL"]);
    }

    #[test]
    fn a_bad_value_is_named_with_its_range_and_the_default_is_used() {
        for text in ["1048575", "16777217", "-1", "5M", "", "99999999999999999999"] {
            let (options, complaints) = read(&[("KTLI_URING_SNDBUF", text)]);
            assert_eq!(options, DEFAULTS);
            assert_eq!(
                complaints,
                [format!(
                    "KTLI_URING_SNDBUF={text:?} is not a number from 1048576 to 16777216: using 5242880"
                )]
            );
        }
        let (options, complaints) = read(&[("KTLI_URING_BACKEND", "sockets")]);
        assert_eq!(options, DEFAULTS);
        assert_eq!(
            complaints,
            ["KTLI_URING_BACKEND=\"sockets\" is not one of auto, uring, socket: using auto"]
        );
    }

    #[test]
    fn zero_copy_is_off_or_a_size() {
        for (text, wanted) in [("0", 0), ("16384", 16 << 10), ("67108864", 64 << 20)] {
            let (options, complaints) = read(&[("KTLI_URING_ZC", text)]);
            assert_eq!((options.zero_copy, complaints), (wanted, vec![]));
        }
        for text in ["1", "16383", "67108865", "-1", "on", ""] {
            let (options, complaints) = read(&[("KTLI_URING_ZC", text)]);
            assert_eq!(options, DEFAULTS);
            assert_eq!(
                complaints,
                [format!("KTLI_URING_ZC={text:?} is not a number from 16384 to 67108864: using 0")]
            );
        }
    }

    #[test]
    fn spinning_is_automatic_or_a_time() {
        for (text, wanted) in [("auto", None), ("0", Some(0)), ("-0", Some(0)), ("1000", Some(1000))] {
            let (options, complaints) = read(&[("KTLI_URING_SPIN", text)]);
            assert_eq!((options.spin, complaints), (wanted, vec![]));
        }
        for text in ["1001", "-1", "", "Auto", "60us"] {
            let (options, complaints) = read(&[("KTLI_URING_SPIN", text)]);
            assert_eq!(options, DEFAULTS);
            assert_eq!(
                complaints,
                [format!("KTLI_URING_SPIN={text:?} is neither auto nor a number from 0 to 1000: using auto")]
            );
        }
        let sqpoll = Options { sqpoll: true, ..DEFAULTS };
        assert_eq!((DEFAULTS.spin(), sqpoll.spin()), (None, Some(0)));
        assert_eq!(Options { spin: Some(9), ..sqpoll }.spin(), Some(9));
    }

    #[test]
    fn unknown_features_are_named_and_the_others_used() {
        let (options, complaints) = read(&[("KTLI_URING_FEATURES", "-coop_taskrun,recv,-teleport")]);
        assert_eq!(options, Options { features_off: Features::from_bits(4), ..DEFAULTS });
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].contains(": not using recv,-teleport, which is not one of -single_issuer,"));
    }

    #[test]
    fn a_send_gives_up_before_libkinetic_does() {
        let (options, complaints) = read(&[("KTLI_URING_SEND_TIMEOUT", "30000")]);
        assert_eq!(options.send_timeout, 25_000);
        assert_eq!(complaints.len(), 1);
    }
}
