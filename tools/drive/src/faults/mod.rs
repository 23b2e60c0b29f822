//! What the drive does wrong on purpose, so that clients can be tested.
//!
//! [`Faults`] is the plan. A [`Course`] is one connection's way through it. What a fault decides by chance it
//! takes from [`dice`], so that it can be repeated.

mod course;
mod current;
mod cut;
mod dice;
mod forge;
mod frames;
mod pause;
mod reaction;
mod window;

use std::fmt;
use std::num::{NonZeroU64, NonZeroUsize};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use course::Course;
pub(crate) use current::Current;
pub(crate) use cut::{Cut, Ending};
pub(crate) use forge::{NEVER_ASKED, acknowledgement, status};
pub(crate) use frames::Turn;
pub(crate) use pause::pause;
pub(crate) use reaction::Reaction;

/// What the drive does wrong on purpose.
///
/// Everything is counted on each connection from its start: requests from 1, bytes from the first one of the
/// drive's first message. `None` everywhere means no faults. All of them can be combined; if several of those
/// that end a connection are due at once, the most violent one wins. docs/drive.md says what exactly happens.
///
/// The fields are also the options of the program (`close_at` is `--close-at`) and the members of the JSON
/// objects of the control socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Faults, on each connection")]
pub struct Faults {
    /// Close the connection instead of answering request N.
    #[arg(long, value_name = "N")]
    pub close_at: Option<NonZeroU64>,
    /// Reset the connection instead of answering request N.
    #[arg(long, value_name = "N")]
    pub reset_at: Option<NonZeroU64>,
    /// From request N on, read requests but neither execute nor answer them.
    #[arg(long, value_name = "N")]
    pub silent_at: Option<NonZeroU64>,
    /// Send the first half of the answer to request N, then close the connection.
    #[arg(long, value_name = "N")]
    pub half_at: Option<NonZeroU64>,
    /// Send exactly B bytes, then close the connection.
    #[arg(long, value_name = "B")]
    pub close_at_byte: Option<u64>,
    /// Send exactly B bytes, then reset the connection.
    #[arg(long, value_name = "B")]
    pub reset_at_byte: Option<u64>,
    /// Send exactly B bytes and nothing more; read requests but do not execute them.
    #[arg(long, value_name = "B")]
    pub silent_at_byte: Option<u64>,
    /// Send everything in pieces of at most this many bytes, each with its own system call.
    #[arg(long, value_name = "BYTES")]
    pub fragment: Option<NonZeroUsize>,
    /// Wait this many milliseconds before each answer.
    #[arg(long, value_name = "MILLISECONDS")]
    pub delay_ms: Option<u64>,
    /// Wait up to this many milliseconds before each answer, on top of the delay; the seed says how many.
    #[arg(long, value_name = "MILLISECONDS")]
    pub jitter_ms: Option<u64>,
    /// Shuffle the answers to each N requests in a row. What is there is sent when no request is left to handle.
    #[arg(long, value_name = "N")]
    pub reorder: Option<NonZeroU64>,
    /// Send the answer to request N twice.
    #[arg(long, value_name = "N")]
    pub duplicate_at: Option<NonZeroU64>,
    /// Send the answer to every Nth request twice.
    #[arg(long, value_name = "N")]
    pub duplicate_every: Option<NonZeroU64>,
    /// After the answer to request N, answer a sequence that was never asked.
    #[arg(long, value_name = "N")]
    pub unknown_at: Option<NonZeroU64>,
    /// After the answer to request N, send an unsolicited status.
    #[arg(long, value_name = "N")]
    pub status_at: Option<NonZeroU64>,
    /// The number of that status: one of the protocol's, or any other. Without it: 5, an internal error.
    #[arg(long, value_name = "CODE", requires = "status_at", allow_negative_numbers = true)]
    pub status_code: Option<i32>,
    /// The text of that status.
    #[arg(long, value_name = "TEXT", requires = "status_at")]
    pub status_text: Option<String>,
    /// Read nothing for a while when request N has come, and answer it only then.
    #[arg(long, value_name = "N", requires = "stop_reading_ms")]
    pub stop_reading_at: Option<NonZeroU64>,
    /// For how many milliseconds to read nothing.
    #[arg(long, value_name = "MILLISECONDS", requires = "stop_reading_at")]
    pub stop_reading_ms: Option<u64>,
    /// Say that request N has worked when its value has not been read yet; read and execute it then.
    #[arg(long, value_name = "N")]
    pub early_at: Option<NonZeroU64>,
    /// Do so with every request that has a value.
    #[arg(long)]
    pub early: bool,
    /// In the header of the answer to request N, lie about the lengths.
    #[arg(long, value_name = "N")]
    pub lie_at: Option<NonZeroU64>,
    /// By how many bytes the message's length is too large, or too small if negative.
    #[arg(long, value_name = "BYTES", requires = "lie_at", allow_negative_numbers = true)]
    pub lie_message: Option<i32>,
    /// By how many bytes the value's length is too large, or too small if negative.
    #[arg(long, value_name = "BYTES", requires = "lie_at", allow_negative_numbers = true)]
    pub lie_value: Option<i32>,
    /// Begin the answer to request N with a wrong byte.
    #[arg(long, value_name = "N")]
    pub bad_magic_at: Option<NonZeroU64>,
    /// Decides everything that is left to chance: the same seed and the same requests give the same answers.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

impl Faults {
    /// Whether there is anything to do wrong.
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Self { seed: self.seed, ..Self::default() }
    }
}

/// As options of the program: what is on, and the seed.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--seed {}", self.seed)?;
        let Ok(Value::Object(fields)) = serde_json::to_value(self) else { return Ok(()) };
        for (name, value) in fields {
            let option = name.replace('_', "-");
            match value {
                Value::Null | Value::Bool(false) => {}
                _ if name == "seed" => {}
                Value::Bool(true) => write!(f, " --{option}")?,
                value => write!(f, " --{option} {value}")?,
            }
        }
        Ok(())
    }
}

/// Whether a fault is due at request number `request`.
fn due(at: Option<NonZeroU64>, request: u64) -> bool {
    at.is_some_and(|at| at.get() == request)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn a_seed_alone_is_no_fault() {
        assert!(!Faults { seed: 7, ..Faults::default() }.any());
        assert!(Faults { early: true, ..Faults::default() }.any());
    }

    #[test]
    fn json_has_the_names_of_the_fields() {
        let faults: Faults = serde_json::from_str(r#"{"close_at": 3, "early": true, "seed": 9}"#).unwrap();
        assert_eq!(
            faults,
            Faults { close_at: NonZeroU64::new(3), early: true, seed: 9, ..Faults::default() }
        );
        let json = serde_json::to_string(&faults).unwrap();
        assert_eq!(serde_json::from_str::<Faults>(&json).unwrap(), faults);
        for nonsense in [r#"{"close_at": 0}"#, r#"{"clsoe_at": 1}"#, r#"{"fragment": -1}"#, "3"] {
            serde_json::from_str::<Faults>(nonsense).unwrap_err();
        }
    }

    #[test]
    fn what_is_on_is_shown() {
        assert_eq!(Faults { seed: 3, ..Faults::default() }.to_string(), "--seed 3");
        let faults = Faults {
            early: true,
            lie_at: NonZeroU64::new(2),
            lie_value: Some(-1),
            status_text: Some("a b".to_owned()),
            ..Faults::default()
        };
        let shown = faults.to_string();
        assert_eq!(shown, r#"--seed 0 --early --lie-at 2 --lie-value -1 --status-text "a b""#);
    }

    #[test]
    fn every_field_is_an_option_of_the_same_name() {
        #[derive(clap::Parser)]
        struct Program {
            #[command(flatten)]
            faults: Faults,
        }
        let parse = |arguments: &[&str]| {
            let all = ["program"].iter().chain(arguments);
            Program::try_parse_from(all).map(|program| program.faults)
        };
        assert_eq!(parse(&[]).unwrap(), Faults::default());
        let Value::Object(fields) = serde_json::json!(Faults::default()) else { unreachable!() };
        for (name, value) in fields {
            let option = format!("--{}", name.replace('_', "-"));
            let mut arguments = vec![&*option];
            if !value.is_boolean() {
                arguments.push("7");
            }
            // Some make no sense without another one.
            arguments.extend(match &*name {
                "status_code" | "status_text" => &["--status-at", "1"][..],
                "lie_message" | "lie_value" => &["--lie-at", "1"],
                "stop_reading_at" => &["--stop-reading-ms", "1"],
                "stop_reading_ms" => &["--stop-reading-at", "1"],
                _ => &[],
            });
            let parsed = serde_json::json!(parse(&arguments).unwrap());
            let expected = match &*name {
                "early" => Value::from(true),
                "status_text" => Value::from("7"),
                _ => Value::from(7),
            };
            assert_eq!(parsed[&name], expected, "{name}");
        }
        assert_eq!(parse(&["--lie-at", "1", "--lie-value", "-5"]).unwrap().lie_value, Some(-5));
        for nonsense in [
            &["--close-at", "0"][..],
            &["--fragment", "0"],
            &["--reorder", "0"],
            &["--stop-reading-at", "3"],
            &["--lie-value", "3"],
            &["--status-code", "9"],
        ] {
            assert!(parse(nonsense).is_err(), "{nonsense:?}");
        }
    }
}
