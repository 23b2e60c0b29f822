//! Logs that only this drive has, as lines of text.

use std::fmt::Write as _;

use super::super::Request;
use crate::access::{AccessList, Grant};
use crate::protocol::MessageType;
use crate::settings::Settings;
use crate::statistics::Counters;
use crate::text::shorten;

/// The longest log in bytes, the protocol's own limit. Without it, values of
/// scopes could make the settings longer.
const LONGEST: usize = 1_000_000;

/// The log of that name, if there is one. None has keys or PINs.
pub(super) fn log(name: &[u8], request: &Request<'_>) -> Option<String> {
    let mut text = match name {
        b"com.ktli-uring.settings" => settings(request.settings),
        b"com.ktli-uring.statistics" => statistics(&request.device.counters),
        _ => return None,
    };
    shorten(&mut text, LONGEST);
    Some(text)
}

fn settings(settings: &Settings) -> String {
    let mut text = format!(
        "cluster version: {}\nlock PIN: {}\nerase PIN: {}\nepoch: {}\n",
        settings.cluster_version,
        if settings.lock_pin.is_empty() { "empty" } else { "set" },
        if settings.erase_pin.is_empty() { "empty" } else { "set" },
        settings.epoch(),
    );
    let mut identities: Vec<_> = settings.identities().iter().collect();
    identities.sort_by_key(|&(id, _)| id);
    for (id, list) in identities {
        identity(&mut text, *id, list);
    }
    text
}

fn identity(text: &mut String, id: i64, list: &AccessList) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "identity {id}: priority up to {:?}", list.max_priority);
    for Grant { value, offset, permissions, tls_required } in &list.scopes {
        let permissions: Vec<_> = permissions.iter().map(|permission| format!("{permission:?}")).collect();
        let _ = write!(text, "identity {id}: {}", permissions.join(" "));
        if !value.is_empty() {
            let _ = write!(text, ", keys with \"{}\" at {offset}", value.escape_ascii());
        }
        let _ = writeln!(text, "{}", if *tls_required { ", TLS only" } else { "" });
    }
}

fn statistics(counters: &Counters) -> String {
    let mut text = String::new();
    for line in counters.log() {
        let message_type: MessageType = line.message_type();
        let _ = writeln!(text, "{message_type:?}: count {}, bytes {}", line.count(), line.bytes());
    }
    text
}
