//! `put`: stores a value from a file or stdin.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
};

use clap::Args;
use serde::Serialize;

use crate::{
    client::{Client, Force},
    failure::{Code, Failure, Result},
    key::{Notation, Shown, shown},
    output::Output,
    progress, split,
    target::Target,
};

/// Arguments of `put`.
#[derive(Args)]
pub struct Put {
    /// The key
    key: String,
    /// The file with the value; stdin without it or with -
    file: Option<PathBuf>,
    #[command(flatten)]
    notation: Notation,
    #[command(flatten)]
    force: Force,
    /// Store the value in pieces as large as the drive takes, under keys of their own behind KEY/; get and delete need
    /// --split, too
    #[arg(long)]
    split: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    key: Shown,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pieces: Option<u32>,
}

impl Put {
    /// Runs the subcommand.
    pub fn run(&self, output: Output) -> Result<()> {
        let key = self.notation.parse(&self.key)?;
        let name = self.notation.text(&key);
        let (mut source, source_name, size) = self.open()?;
        let mut client = Client::connect(&self.target)?;
        let (bytes, pieces) = if self.split {
            let bar = progress::bar(size, output);
            let manifest = split::put(&mut client, &key, &name, self.force, &mut source, &bar)?;
            bar.finish_and_clear();
            (manifest.bytes, Some(manifest.pieces))
        } else {
            let limit = client.max_value_size();
            let too_large = |bytes: &str| {
                let text = format!(
                    "{source_name}: {bytes} bytes, but the drive takes values up to {limit}: \
                     --split stores them in pieces"
                );
                Failure::new(Code::TooLarge, text)
            };
            if let Some(size) = size.filter(|size| *size > limit as u64) {
                return Err(too_large(&size.to_string()));
            }
            let mut value = Vec::new();
            let read = source.take(limit as u64 + 1).read_to_end(&mut value);
            read.map_err(|error| Failure::file(&source_name, error))?;
            if value.len() > limit {
                return Err(too_large(&format!("more than {limit}")));
            }
            let bytes = value.len() as u64;
            client.put(&key, &name, value, self.force)?;
            (bytes, None)
        };
        let report = Report { key: shown(&key), bytes, pieces };
        output.show(&report, |out| match pieces {
            Some(pieces) => writeln!(out, "{name}: {bytes} bytes in {pieces} pieces"),
            None => writeln!(out, "{name}: {bytes} bytes"),
        })
    }

    /// Where the value comes from, what that is called, and its size where that is known.
    fn open(&self) -> Result<(Box<dyn Read>, String, Option<u64>)> {
        match self.file.as_ref().filter(|file| file.as_os_str() != "-") {
            None => Ok((Box::new(io::stdin()), "standard input".into(), None)),
            Some(path) => {
                let name = path.display().to_string();
                let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
                let (metadata, file) = opened.map_err(|error| Failure::file(&name, error))?;
                Ok((Box::new(file), name, metadata.is_file().then_some(metadata.len())))
            }
        }
    }
}
