//! `delete`: removes values.

use clap::Args;
use serde::Serialize;

use crate::{
    client::{Client, Force},
    failure::Result,
    key::{Notation, Shown, shown},
    output::Output,
    split,
    target::Target,
};

/// Arguments of `delete`.
#[derive(Args)]
pub struct Delete {
    /// The keys, which are removed in order; the first failure ends it
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    #[command(flatten)]
    notation: Notation,
    #[command(flatten)]
    force: Force,
    /// The values were put with --split: remove their pieces, too
    #[arg(long)]
    split: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Serialize)]
struct Report {
    deleted: Vec<Shown>,
}

impl Delete {
    /// Runs the subcommand.
    pub fn run(&self, output: Output) -> Result<()> {
        let keys = self.keys.iter().map(|key| self.notation.parse(key)).collect::<Result<Vec<_>>>()?;
        let mut client = Client::connect(&self.target)?;
        for key in &keys {
            let name = self.notation.text(key);
            if self.split {
                split::delete(&mut client, key, &name, self.force)?;
            } else {
                client.delete(key, &name, self.force)?;
            }
        }
        let report = Report { deleted: keys.iter().map(|key| shown(key)).collect() };
        output.show(&report, |_| Ok(()))
    }
}
