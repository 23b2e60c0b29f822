//! Any environment, and any structure that a program may hand over: what cannot be used is named and changes nothing,
//! and what comes out is in its range.
//!
//! The input: first variables, each a byte that names it, one that says how its value is made, and the value with its
//! length; after a byte that names none, structures of options.

#![no_main]

use std::{
    collections::HashMap,
    ffi::{c_char, c_int, c_void},
    mem::offset_of,
    ops::Range,
    ptr,
};

use ktli_uring::ffi::control::{
    KTLI_URING_SPIN_AUTO, ktli_uring_config, ktli_uring_configure, ktli_uring_get_config, ktli_uring_set_log,
};
use ktli_uring::fuzzing::{
    BUFFER, CONNECT_TIMEOUT, DEFAULTS, Features, LINGER, Options, Range as Limits, SEND_TIMEOUT, SPIN,
    SQPOLL_CPU, SQPOLL_IDLE, ZERO_COPY,
};
use libfuzzer_sys::fuzz_target;

/// Options that are words, with the words.
const WORDS: [(&str, &[&str]); 6] = [
    ("BACKEND", &["auto", "uring", "socket"]),
    ("FRAMING", &["kinetic", "none"]),
    ("HANGUP", &["wait", "report"]),
    ("SQPOLL", &["0", "1"]),
    ("SEND", &["auto", "loop", "whole", "chunked"]),
    ("STATS", &["0", "1"]),
];

/// Options that are numbers, with their limits.
const NUMBERS: [(&str, Limits); 9] = [
    ("SNDBUF", BUFFER),
    ("RCVBUF", BUFFER),
    ("CONNECT_TIMEOUT", CONNECT_TIMEOUT),
    ("SEND_TIMEOUT", SEND_TIMEOUT),
    ("LINGER", LINGER),
    ("SQPOLL_IDLE", SQPOLL_IDLE),
    ("SQPOLL_CPU", SQPOLL_CPU),
    ("SPIN", SPIN),
    ("ZC", ZERO_COPY),
];

fuzz_target!(init: quiet(), |input: &[u8]| {
    let (variables, rest) = variables(input);
    environment(&variables);
    structures(rest);
});

/// The option that is a list.
const FEATURES: &str = "KTLI_URING_FEATURES";

/// The variables that the input names, and what follows them.
fn variables(mut input: &[u8]) -> (HashMap<String, String>, &[u8]) {
    let mut variables = HashMap::new();
    while let [name, kind, rest @ ..] = input {
        let name = usize::from(*name);
        let words = WORDS.get(name).map(|(_, words)| *words);
        let name = match words {
            Some(_) => WORDS[name].0,
            None => match NUMBERS.get(name - WORDS.len()) {
                Some((name, _)) => name,
                None if name == WORDS.len() + NUMBERS.len() => {
                    let (bits, tail) = rest.split_at(3.min(rest.len()));
                    input = tail;
                    variables.insert(FEATURES.to_owned(), features(*kind, bits));
                    continue;
                }
                None => return (variables, &input[1..]),
            },
        };
        let value = match (kind % 4, words) {
            // One of the words; a number in the range's neighbourhood; any text.
            (0, Some(words)) => {
                input = rest;
                words[usize::from(kind >> 2) % words.len()].to_owned()
            }
            (0 | 1, None) if rest.len() >= 4 => {
                let (bytes, rest) = rest.split_at(4);
                input = rest;
                (bytes.iter().fold(0, |number, byte| number << 8 | i64::from(*byte)) >> (kind >> 2))
                    .to_string()
            }
            _ => {
                let (text, rest) = rest.split_at(usize::from(kind >> 2).min(rest.len()));
                input = rest;
                String::from_utf8_lossy(text).into_owned()
            }
        };
        variables.insert(format!("KTLI_URING_{name}"), value);
    }
    (variables, &[])
}

/// Names of features, with something between them.
fn features(kind: u8, bits: &[u8]) -> String {
    const BETWEEN: [&str; 8] = [",", ",", ", ", ",,", " ", ",-", ",-nothing,", ",send,"];
    let all = Features::all_switched_off();
    let chosen = |number: &usize| bits.get(number / 8).is_some_and(|byte| byte >> (number % 8) & 1 == 1);
    let names = all.split(',').enumerate().filter(|(number, _)| chosen(number)).map(|(_, name)| name);
    names.collect::<Vec<&str>>().join(BETWEEN[usize::from(kind % 8)])
}

/// What a list of features says, and whether all of it is known.
fn read_features(text: &str) -> (u64, bool) {
    let all = Features::all_switched_off();
    let (mut bits, mut known) = (0, true);
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        match all.split(',').position(|name| name == item) {
            Some(number) => bits |= 1 << number,
            None => known = false,
        }
    }
    (bits, known)
}

/// Is this value one that the option takes?
fn is_good(name: &str, value: &str) -> bool {
    let name = name.strip_prefix("KTLI_URING_").expect("all of them have it");
    if let Some((_, words)) = WORDS.iter().find(|(word, _)| *word == name) {
        return words.contains(&value);
    }
    let range = NUMBERS.iter().find(|(number, _)| *number == name).expect("one of the two").1;
    let number: Option<i128> = value.parse().ok();
    number.is_some_and(|number| (range.min.into()..=range.max.into()).contains(&number))
        || name == "ZC" && value == "0"
        || name == "SPIN" && value == "auto"
}

/// An option as text, as the environment would say it.
fn text(options: &Options, name: &str) -> String {
    let number = match name.strip_prefix("KTLI_URING_").expect("all of them have it") {
        "BACKEND" => return format!("{:?}", options.backend).to_lowercase(),
        "SEND" => return format!("{:?}", options.send_strategy).to_lowercase(),
        "FRAMING" => return (if options.framing { "kinetic" } else { "none" }).into(),
        "HANGUP" => return (if options.report_hangup { "report" } else { "wait" }).into(),
        "SQPOLL" => options.sqpoll.into(),
        "STATS" => options.stats.into(),
        "SNDBUF" => options.send_buffer.into(),
        "RCVBUF" => options.receive_buffer.into(),
        "CONNECT_TIMEOUT" => options.connect_timeout.into(),
        "SEND_TIMEOUT" => options.send_timeout.into(),
        "LINGER" => options.linger.into(),
        "SQPOLL_IDLE" => options.sqpoll_idle.into(),
        "SQPOLL_CPU" => options.sqpoll_cpu.into(),
        "SPIN" => return options.spin.map_or("auto".into(), |spin| spin.to_string()),
        _ => i64::from(options.zero_copy),
    };
    number.to_string()
}

fn environment(variables: &HashMap<String, String>) {
    let mut complaints = Vec::new();
    let options = DEFAULTS.read(&|name| variables.get(name).cloned(), &mut |text| complaints.push(text));
    let is_on = |name: &str| {
        let value = variables.get(&format!("KTLI_URING_{name}"));
        value.is_some_and(|value| value != "0" && is_good(&format!("KTLI_URING_{name}"), value))
    };
    // Whoever asks for both gets zero copy.
    let excluded = is_on("SQPOLL") && is_on("ZC");
    let mut bad = 0;
    for name in WORDS.iter().map(|(name, _)| *name).chain(NUMBERS.iter().map(|(name, _)| *name)) {
        let name = format!("KTLI_URING_{name}");
        let got = text(&options, &name);
        match variables.get(&name) {
            Some(_) if excluded && name == "KTLI_URING_SQPOLL" => {
                bad += 1;
                assert_eq!(got, "0");
            }
            Some(value) if is_good(&name, value) => {
                // "+7" is a number, too.
                let number = |text: &str| text.parse::<i64>().ok();
                let same = got == *value || number(&got).is_some() && number(&got) == number(value);
                assert!(same, "{name}: {got} of {value:?}");
            }
            Some(value) => {
                bad += 1;
                assert_eq!(got, text(&DEFAULTS, &name));
                // "is not …", or "is neither …".
                let named = format!("{name}={value:?} is n");
                assert_eq!(complaints.iter().filter(|text| text.starts_with(&named)).count(), 1);
            }
            None => assert_eq!(got, text(&DEFAULTS, &name)),
        }
    }
    let (off, known) = variables.get(FEATURES).map_or((0, true), |text| read_features(text));
    assert_eq!(options.features_off.bits(), off);
    bad += usize::from(!known);
    assert_eq!(complaints.len(), bad);
}

/// Nobody is to read what is refused.
fn quiet() {
    unsafe extern "C" fn nothing(_: c_int, _: *const c_char, _: *mut c_void) {}
    // SAFETY: The function may be called from any thread.
    unsafe { ktli_uring_set_log(Some(nothing), ptr::null_mut()) };
}

const SIZE: usize = size_of::<ktli_uring_config>();
/// Four bytes without a meaning.
const GAP: Range<usize> =
    offset_of!(ktli_uring_config, stats) + 4..offset_of!(ktli_uring_config, features_off);
const _: () = assert!(GAP.start == 8 + 15 * 4 && GAP.end + 8 == SIZE);

/// Structures of any size: a byte with that, then the members.
fn structures(mut bytes: &[u8]) {
    while let [size, rest @ ..] = bytes {
        let size = usize::from(*size);
        let (members, rest) = rest.split_at((SIZE - 8).min(rest.len()));
        bytes = rest;
        let before = current(SIZE);
        let mut said = image(&before);
        said[8..8 + members.len()].copy_from_slice(members);
        let structure = from_image(size, &said);
        // SAFETY: A structure of numbers, which is no shorter than `size` says; where that says more, the
        // library looks at no more than it knows.
        let result = unsafe { ktli_uring_configure(&raw const structure) };
        let after = current(SIZE);
        let mut wanted = image(&before);
        if result == 0 {
            assert!(size > 8);
            // What it knows is what it said, and the rest is what it was.
            let known = size.min(SIZE);
            wanted[8..known].copy_from_slice(&image(&structure)[8..known]);
            let mut wanted = from_image(SIZE, &wanted);
            if after.sqpoll == 0 && after.zero_copy > 0 {
                wanted.sqpoll = 0;
            }
            assert_eq!(image(&after), image(&wanted));
        } else {
            assert_eq!(result, -1);
            assert_eq!(image(&after), wanted);
        }
        check(&after);
        // An older program gets as much as it knows.
        let known = size.clamp(9, SIZE);
        let old = image(&current(known));
        assert_eq!(old[8..known], image(&after)[8..known]);
        assert!(old[known..].iter().all(|byte| *byte == 0));
    }
}

/// The options in force, for a program that knows `size` bytes of them.
fn current(size: usize) -> ktli_uring_config {
    let mut config = from_image(size, &[0; SIZE]);
    // SAFETY: The structure has at least `size` bytes.
    assert_eq!(unsafe { ktli_uring_get_config(&raw mut config) }, 0);
    assert_eq!(config.size, size);
    config
}

/// The bytes of all members.
fn image(config: &ktli_uring_config) -> [u8; SIZE] {
    let mut image = [0; SIZE];
    let start = (&raw const *config).cast::<u8>();
    // SAFETY: So many bytes are numbers without gaps between them.
    image[..GAP.start].copy_from_slice(unsafe { std::slice::from_raw_parts(start, GAP.start) });
    image[GAP.end..].copy_from_slice(&config.features_off.to_ne_bytes());
    image
}

fn from_image(size: usize, image: &[u8; SIZE]) -> ktli_uring_config {
    // SAFETY: A structure of numbers, which has as many bytes; any of them make a value.
    let mut config: ktli_uring_config =
        unsafe { image.as_ptr().cast::<ktli_uring_config>().read_unaligned() };
    config.size = size;
    config
}

fn check(config: &ktli_uring_config) {
    let within = |value: i64, limits: Limits| assert!((limits.min..=limits.max).contains(&value));
    within(config.send_buffer.into(), BUFFER);
    within(config.receive_buffer.into(), BUFFER);
    within(config.connect_timeout.into(), CONNECT_TIMEOUT);
    within(config.send_timeout.into(), SEND_TIMEOUT);
    within(config.linger.into(), LINGER);
    within(config.sqpoll_idle.into(), SQPOLL_IDLE);
    within(config.sqpoll_cpu.into(), SQPOLL_CPU);
    if config.spin != KTLI_URING_SPIN_AUTO {
        within(config.spin.into(), SPIN);
    }
    assert!(config.zero_copy == 0 || (ZERO_COPY.min..=ZERO_COPY.max).contains(&config.zero_copy.into()));
    assert!((0..3).contains(&config.backend) && (0..4).contains(&config.send_strategy));
    for flag in [config.framing, config.hangup, config.sqpoll, config.stats] {
        assert!(flag == 0 || flag == 1);
    }
    assert!(config.sqpoll == 0 || config.zero_copy == 0);
    assert_eq!(config.features_off, Features::from_bits(config.features_off).bits());
}
