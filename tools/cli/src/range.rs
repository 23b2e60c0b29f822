//! `range`: lists keys.

use std::sync::Arc;

use clap::Args;
use kinetic_drive::protocol::Range;
use serde::Serialize;

use crate::{
    client::{Client, success},
    failure::Result,
    key::{Notation, Shown, shown},
    output::Output,
    target::Target,
};

/// Arguments of `range`.
#[derive(Args)]
pub struct RangeOf {
    /// Only keys that begin so
    prefix: Option<String>,
    /// From this key on, which belongs to the range
    #[arg(long, value_name = "KEY", conflicts_with = "prefix")]
    start: Option<String>,
    /// Up to this key, which belongs to the range
    #[arg(long, value_name = "KEY", conflicts_with = "prefix")]
    end: Option<String>,
    /// The last key first
    #[arg(long)]
    reverse: bool,
    /// The most keys to list
    #[arg(long, value_name = "NUMBER")]
    max: Option<usize>,
    #[command(flatten)]
    notation: Notation,
    #[command(flatten)]
    target: Target,
}

#[derive(Serialize)]
struct Report {
    keys: Vec<Shown>,
    /// There are more, which --max kept out.
    more: bool,
}

impl RangeOf {
    /// Runs the subcommand.
    pub fn run(&self, output: Output) -> Result<()> {
        let mut range = self.range()?;
        let mut client = Client::connect(&self.target)?;
        let page = client.max_range();
        let mut keys = Vec::new();
        // One more than wanted tells whether there are more.
        let wanted = self.max.map_or(usize::MAX, |max| max.saturating_add(1));
        while keys.len() < wanted {
            let asked = page.min(u32::try_from(wanted - keys.len()).unwrap_or(u32::MAX));
            range.max_returned = Some(asked);
            let request = client.builder.get_key_range(range.clone());
            let (answer, _) = client.ask(request, Arc::default())?;
            success("the range", &answer)?;
            let found = answer.keys();
            keys.extend_from_slice(found);
            // A short page is the last one. A drive that gives more than asked for gets no second question either.
            let Some(last) = found.last().filter(|_| found.len() == asked as usize) else { break };
            if self.reverse {
                range.end_key = Some(last.clone());
                range.end_key_inclusive = Some(false);
            } else {
                range.start_key = Some(last.clone());
                range.start_key_inclusive = Some(false);
            }
        }
        let more = self.max.is_some_and(|max| keys.len() > max);
        keys.truncate(self.max.unwrap_or(usize::MAX));
        let report = Report { keys: keys.iter().map(|key| shown(key)).collect(), more };
        output
            .show(&report, |out| keys.iter().try_for_each(|key| writeln!(out, "{}", self.notation.text(key))))
    }

    /// The whole range.
    fn range(&self) -> Result<Range> {
        let parse = |key: &Option<String>| key.as_deref().map(|key| self.notation.parse(key)).transpose();
        let prefix = parse(&self.prefix)?;
        let (start, end) = match &prefix {
            Some(prefix) => (Some(prefix.clone()), after(prefix)),
            None => (parse(&self.start)?, parse(&self.end)?),
        };
        Ok(Range {
            start_key: Some(start.unwrap_or_default().into()),
            start_key_inclusive: Some(true),
            // Without an end some drives give nothing; no key is longer than 4 KiB.
            end_key: Some(end.unwrap_or_else(|| vec![0xff; 4096]).into()),
            end_key_inclusive: Some(prefix.is_none()),
            reverse: Some(self.reverse),
            ..Range::default()
        })
    }
}

/// The first key that is behind all keys with that beginning; `None` if there is none.
fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < 0xff)?;
    let mut key = prefix[..=last].to_vec();
    key[last] += 1;
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_prefix() {
        assert_eq!(after(b"a/"), Some(b"a0".to_vec()));
        assert_eq!(after(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(after(b"\xff"), None);
        assert_eq!(after(b""), None);
    }
}
