//! The functions beside the driver's seven: options, log, description.

use std::{
    ffi::{CString, c_char, c_int, c_void},
    ptr,
};

use log::{Level, error};

use super::{
    guard::guard,
    sized::{self, SizeFirst},
};
use crate::{
    config::{self, Backend, Options, Range, SendStrategy},
    describe,
    error::Errno,
    features::Features,
    logger,
};

/// `ktli_uring_config.backend`: io_uring, or plain system calls where the kernel refuses it.
pub const KTLI_URING_BACKEND_AUTO: i32 = 0;
/// `ktli_uring_config.backend`: io_uring; `ktli_uring_open` fails where the kernel refuses it.
pub const KTLI_URING_BACKEND_URING: i32 = 1;
/// `ktli_uring_config.backend`: plain system calls.
pub const KTLI_URING_BACKEND_SOCKET: i32 = 2;
/// `ktli_uring_config.framing`: messages are Kinetic's, a PDU of nine bytes in front of each.
pub const KTLI_URING_FRAMING_KINETIC: i32 = 0;
/// `ktli_uring_config.framing`: any bytes; poll returns 1 as soon as one is there.
pub const KTLI_URING_FRAMING_NONE: i32 = 1;
/// `ktli_uring_config.hangup`: on a dead connection poll waits for its time-out and returns 0.
pub const KTLI_URING_HANGUP_WAIT: i32 = 0;
/// `ktli_uring_config.hangup`: on a dead connection poll returns 1 at once, and receive fails.
pub const KTLI_URING_HANGUP_REPORT: i32 = 1;
/// `ktli_uring_config.spin`: where a message costs no more than by a sleep, and for the rest of a large value.
pub const KTLI_URING_SPIN_AUTO: u32 = u32::MAX;
/// `ktli_uring_config.send_strategy`: small messages are sent in company, large ones in one operation.
pub const KTLI_URING_SEND_AUTO: i32 = 0;
/// `ktli_uring_config.send_strategy`: what the socket takes, and again, each message by itself.
pub const KTLI_URING_SEND_LOOP: i32 = 1;
/// `ktli_uring_config.send_strategy`: each message by itself, in one operation.
pub const KTLI_URING_SEND_WHOLE: i32 = 2;
/// `ktli_uring_config.send_strategy`: each message by itself, in linked pieces of 256 KiB.
pub const KTLI_URING_SEND_CHUNKED: i32 = 3;

/// Log level: something failed.
pub const KTLI_URING_LOG_ERROR: i32 = 1;
/// Log level: something is not as it should be.
pub const KTLI_URING_LOG_WARN: i32 = 2;
/// Log level: worth knowing.
pub const KTLI_URING_LOG_INFO: i32 = 3;
/// Log level: for whoever looks for a fault.
pub const KTLI_URING_LOG_DEBUG: i32 = 4;
/// Log level: everything.
pub const KTLI_URING_LOG_TRACE: i32 = 5;

/// The options. The same as the environment's, which beat them.
///
/// Set `size` to `sizeof(struct ktli_uring_config)`, call `ktli_uring_get_config` for the values in
/// force, change some, and call `ktli_uring_configure`. A later version may append members; programs
/// built against this one go on working, since `size` tells how many they know.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "a C name")]
pub struct ktli_uring_config {
    /// Size of this structure in bytes, as the program knows it.
    pub size: usize,
    /// One of `KTLI_URING_BACKEND_*`.
    pub backend: i32,
    /// One of `KTLI_URING_FRAMING_*`.
    pub framing: i32,
    /// One of `KTLI_URING_HANGUP_*`.
    pub hangup: i32,
    /// Bytes to ask of the kernel as send buffer, 1 to 16 MiB.
    pub send_buffer: u32,
    /// Bytes to ask of the kernel as receive buffer, 1 to 16 MiB.
    pub receive_buffer: u32,
    /// Milliseconds that connect may take over all addresses, 1 to 600,000.
    pub connect_timeout: u32,
    /// Milliseconds that one send may take, 1 to 29,000.
    pub send_timeout: u32,
    /// Milliseconds that disconnect may take, 0 to 60,000.
    pub linger: u32,
    /// 1: a kernel thread, one for the whole process, does the submitting. Not with `zero_copy`, which goes before.
    pub sqpoll: i32,
    /// Milliseconds without work after which that thread sleeps, 1 to 60,000.
    pub sqpoll_idle: u32,
    /// CPU to which that thread is bound, 0 to 4,095, or -1.
    pub sqpoll_cpu: i32,
    /// Microseconds that a receiver looks for more before it sleeps, 0 to 1,000, or `KTLI_URING_SPIN_AUTO`.
    pub spin: u32,
    /// One of `KTLI_URING_SEND_*`. All but `KTLI_URING_SEND_AUTO` are for measuring: the whole message has left
    /// when send returns, so the answer may come before that, and an unmodified libkinetic may then write
    /// to a request that it has freed.
    pub send_strategy: i32,
    /// Messages of at least this many bytes, 16 KiB to 64 MiB, are sent without a copy; send then returns when the
    /// drive has acknowledged them. 0: none.
    pub zero_copy: u32,
    /// 1: when a connection ends, what it has done is printed to stderr.
    pub stats: i32,
    /// `KTLI_URING_FEATURE_*` bits: features of io_uring that are not to be used, as if the kernel did not have them.
    /// For testing; what happens without each tells docs/kernel-features.md.
    pub features_off: u64,
}

/// Receives one log line, terminated and without a line end, with its level (`KTLI_URING_LOG_*`) and the
/// pointer that was given with it. Called from any thread that is inside the library, and from the
/// library's own; the text is gone after the return. It must not call the library.
#[allow(non_camel_case_types, reason = "a C name")]
pub type ktli_uring_log_fn =
    Option<unsafe extern "C" fn(level: c_int, text: *const c_char, context: *mut c_void)>;

impl ktli_uring_config {
    fn from_options(options: &Options) -> Self {
        ktli_uring_config {
            size: size_of::<Self>(),
            backend: match options.backend {
                Backend::Auto => KTLI_URING_BACKEND_AUTO,
                Backend::Uring => KTLI_URING_BACKEND_URING,
                Backend::Socket => KTLI_URING_BACKEND_SOCKET,
            },
            framing: if options.framing { KTLI_URING_FRAMING_KINETIC } else { KTLI_URING_FRAMING_NONE },
            hangup: if options.report_hangup { KTLI_URING_HANGUP_REPORT } else { KTLI_URING_HANGUP_WAIT },
            send_buffer: options.send_buffer,
            receive_buffer: options.receive_buffer,
            connect_timeout: options.connect_timeout,
            send_timeout: options.send_timeout,
            linger: options.linger,
            sqpoll: options.sqpoll.into(),
            sqpoll_idle: options.sqpoll_idle,
            sqpoll_cpu: options.sqpoll_cpu,
            spin: options.spin.unwrap_or(KTLI_URING_SPIN_AUTO),
            send_strategy: match options.send_strategy {
                SendStrategy::Auto => KTLI_URING_SEND_AUTO,
                SendStrategy::Loop => KTLI_URING_SEND_LOOP,
                SendStrategy::Whole => KTLI_URING_SEND_WHOLE,
                SendStrategy::Chunked => KTLI_URING_SEND_CHUNKED,
            },
            zero_copy: options.zero_copy,
            stats: options.stats.into(),
            features_off: options.features_off.bits(),
        }
    }

    /// The options, or the name of the first member that is out of its range.
    fn to_options(self) -> Result<Options, (&'static str, i64, Range)> {
        let checked = |name, value: i64, range: Range| {
            if (range.min..=range.max).contains(&value) { Ok(()) } else { Err((name, value, range)) }
        };
        let flag = Range { min: 0, max: 1 };
        checked("backend", self.backend.into(), Range { min: 0, max: 2 })?;
        checked("framing", self.framing.into(), flag)?;
        checked("hangup", self.hangup.into(), flag)?;
        checked("send_buffer", self.send_buffer.into(), config::BUFFER)?;
        checked("receive_buffer", self.receive_buffer.into(), config::BUFFER)?;
        checked("connect_timeout", self.connect_timeout.into(), config::CONNECT_TIMEOUT)?;
        checked("send_timeout", self.send_timeout.into(), config::SEND_TIMEOUT)?;
        checked("linger", self.linger.into(), config::LINGER)?;
        checked("sqpoll", self.sqpoll.into(), flag)?;
        checked("sqpoll_idle", self.sqpoll_idle.into(), config::SQPOLL_IDLE)?;
        checked("sqpoll_cpu", self.sqpoll_cpu.into(), config::SQPOLL_CPU)?;
        if self.spin != KTLI_URING_SPIN_AUTO {
            checked("spin", self.spin.into(), config::SPIN)?;
        }
        checked("send_strategy", self.send_strategy.into(), Range { min: 0, max: 3 })?;
        if self.zero_copy != 0 {
            checked("zero_copy", self.zero_copy.into(), config::ZERO_COPY)?;
        }
        checked("stats", self.stats.into(), flag)?;
        let all = Range { min: 0, max: Features::ALL.bits() as i64 };
        checked("features_off", i64::try_from(self.features_off).unwrap_or(i64::MAX), all)?;
        Ok(Options {
            backend: match self.backend {
                KTLI_URING_BACKEND_URING => Backend::Uring,
                KTLI_URING_BACKEND_SOCKET => Backend::Socket,
                _ => Backend::Auto,
            },
            framing: self.framing == KTLI_URING_FRAMING_KINETIC,
            report_hangup: self.hangup == KTLI_URING_HANGUP_REPORT,
            send_buffer: self.send_buffer,
            receive_buffer: self.receive_buffer,
            connect_timeout: self.connect_timeout,
            send_timeout: self.send_timeout,
            linger: self.linger,
            sqpoll: self.sqpoll == 1,
            sqpoll_idle: self.sqpoll_idle,
            sqpoll_cpu: self.sqpoll_cpu,
            spin: Some(self.spin).filter(|spin| *spin != KTLI_URING_SPIN_AUTO),
            send_strategy: match self.send_strategy {
                KTLI_URING_SEND_LOOP => SendStrategy::Loop,
                KTLI_URING_SEND_WHOLE => SendStrategy::Whole,
                KTLI_URING_SEND_CHUNKED => SendStrategy::Chunked,
                _ => SendStrategy::Auto,
            },
            zero_copy: self.zero_copy,
            stats: self.stats == 1,
            features_off: Features::from_bits(self.features_off),
        })
    }
}

// SAFETY: `repr(C)`, `size` comes first, and all members are numbers.
unsafe impl SizeFirst for ktli_uring_config {
    fn set_size(&mut self, size: usize) {
        self.size = size;
    }
}

/// Fills in the options in force for sessions that connect from now on. `config->size` must be set.
///
/// Returns 0, or -1 with errno EINVAL for NULL or an impossible size. Any thread.
///
/// # Safety
/// `config` must be NULL or point to `config->size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ktli_uring_get_config(config: *mut ktli_uring_config) -> c_int {
    guard(-1, || {
        logger::install();
        // SAFETY: By this function's contract.
        unsafe { sized::give(ktli_uring_config::from_options(&config::current()), config)? };
        Ok(0)
    })
}

/// Sets the options for sessions that connect from now on. Members beyond `config->size` stay as they
/// are. An environment variable for the same option beats what is set here.
///
/// Returns 0, or -1 with errno EINVAL for NULL, an impossible size or a value out of its range, which is
/// named in the log; then nothing is changed. Any thread.
///
/// # Safety
/// `config` must be NULL or point to `config->size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ktli_uring_configure(config: *const ktli_uring_config) -> c_int {
    guard(-1, || {
        logger::install();
        // SAFETY: By this function's contract.
        let wanted = unsafe { sized::take(config, ktli_uring_config::from_options(&config::program()))? };
        let options = wanted.to_options().map_err(|(name, value, range)| {
            error!(
                "ktli_uring_configure: {name} is {value}, which is not from {} to {}",
                range.min, range.max
            );
            Errno::INVAL
        })?;
        config::set(options);
        Ok(0)
    })
}

/// Sends log lines to `callback` from now on instead of stderr; NULL: to stderr again. Which levels there
/// are is `KTLI_URING_LOG`'s matter. `context` is passed on and must stay valid.
///
/// Returns 0, or -1 with errno ENOMEM. Any thread; another thread may be inside the former callback when this returns.
///
/// # Safety
/// `callback` must be NULL or a function of that type that may be called from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ktli_uring_set_log(callback: ktli_uring_log_fn, context: *mut c_void) -> c_int {
    struct Context(*mut c_void);
    // SAFETY: The pointer is only passed on; that it may be used from any thread is this function's
    // contract.
    unsafe impl Send for Context {}
    // SAFETY: As above.
    unsafe impl Sync for Context {}
    impl Context {
        fn pointer(&self) -> *mut c_void {
            self.0
        }
    }
    guard(-1, || {
        let context = Context(context);
        logger::set_sink(callback.map(|callback| -> logger::Sink {
            Box::new(move |level, text| {
                let level = match level {
                    Level::Error => KTLI_URING_LOG_ERROR,
                    Level::Warn => KTLI_URING_LOG_WARN,
                    Level::Info => KTLI_URING_LOG_INFO,
                    Level::Debug => KTLI_URING_LOG_DEBUG,
                    Level::Trace => KTLI_URING_LOG_TRACE,
                };
                let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
                // SAFETY: A function of that type by this function's contract; the text is terminated
                // and lives through the call.
                unsafe { callback(level, text.as_ptr(), context.pointer()) };
            })
        }))?;
        Ok(0)
    })
}

/// Writes a line that tells what new connections will use (io_uring with which flags, or plain system
/// calls and why) to `buffer`, cut to `size` bytes with the terminating zero.
///
/// Returns the length of the whole line without the zero, like snprintf, or -1 with errno EINVAL for a
/// NULL buffer with a size. Any thread.
///
/// # Safety
/// `buffer` must be NULL with `size` 0, or point to `size` bytes that can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ktli_uring_describe(buffer: *mut c_char, size: usize) -> c_int {
    guard(-1, || {
        if buffer.is_null() && size > 0 {
            return Err(Errno::INVAL);
        }
        let text = describe();
        if size > 0 {
            let shown = text.len().min(size - 1);
            // SAFETY: `buffer` has `size` bytes by this function's contract, of which at most
            // `size - 1` are copied and one is set.
            unsafe {
                ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast::<u8>(), shown);
                buffer.add(shown).write(0);
            }
        }
        c_int::try_from(text.len()).map_err(|_| Errno::MSGSIZE)
    })
}

/// The library's version, as "major.minor.patch". Never NULL; the text is static.
#[unsafe(no_mangle)]
pub extern "C" fn ktli_uring_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
