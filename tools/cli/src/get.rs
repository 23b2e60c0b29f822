//! `get`: reads a value to a file or stdout.

use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;
use serde::Serialize;

use crate::{
    client::Client,
    failure::{Failure, Result},
    key::{Notation, Shown, hex, shown},
    output::Output,
    progress, split,
    target::Target,
};

/// Arguments of `get`.
#[derive(Args)]
pub struct Get {
    /// The key
    key: String,
    /// The file for the value; stdout without it or with -. With --json and without a file the value is in the JSON
    file: Option<PathBuf>,
    #[command(flatten)]
    notation: Notation,
    /// The value was put with --split: read its pieces
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
    /// Where it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// Where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    value_hex: Option<String>,
}

impl Get {
    /// Runs the subcommand.
    pub fn run(&self, output: Output) -> Result<()> {
        let key = self.notation.parse(&self.key)?;
        let name = self.notation.text(&key);
        let mut client = Client::connect(&self.target)?;
        let file = self.file.as_ref().filter(|file| file.as_os_str() != "-");
        let mut report = Report { key: shown(&key), bytes: 0, value: None, value_hex: None };
        match file {
            Some(path) => {
                let path_name = path.display().to_string();
                report.bytes = self.receive(&mut client, &key, &name, output, |bytes| {
                    let mut file = File::create(path).map_err(|error| Failure::file(&path_name, error))?;
                    bytes(&mut split::to_writer(&mut file, &path_name))
                })?;
                output.show(&report, |out| writeln!(out, "{name}: {} bytes", report.bytes))
            }
            None if output.json => {
                let mut value = Vec::new();
                report.bytes = self.receive(&mut client, &key, &name, output, |bytes| {
                    bytes(&mut |piece| {
                        value.extend_from_slice(piece);
                        Ok(())
                    })
                })?;
                match String::from_utf8(value) {
                    Ok(text) => report.value = Some(text),
                    Err(error) => report.value_hex = Some(hex(error.as_bytes())),
                }
                output.show(&report, |_| Ok(()))
            }
            None => {
                let mut stdout = io::stdout().lock();
                self.receive(&mut client, &key, &name, output, |bytes| {
                    bytes(&mut |piece| stdout.write_all(piece).map_err(Failure::output))
                })?;
                stdout.flush().map_err(Failure::output)
            }
        }
    }

    /// Reads the value. `target` is called when the drive has answered for the first time, and gives a sink to what
    /// it is given: a file is not touched if there is no such key.
    fn receive(
        &self,
        client: &mut Client,
        key: &[u8],
        name: &str,
        output: Output,
        target: impl FnOnce(&mut Source<'_>) -> Result<u64>,
    ) -> Result<u64> {
        if self.split {
            let manifest = split::expect(client, key, name)?;
            let bar = progress::bar(Some(manifest.bytes), output);
            let result = target(&mut |sink| {
                split::get(client, key, name, &manifest, sink, &bar)?;
                Ok(manifest.bytes)
            });
            bar.finish_and_clear();
            result
        } else {
            let value = client.get(key, name)?;
            target(&mut |sink| {
                sink(&value)?;
                Ok(value.len() as u64)
            })
        }
    }
}

/// Gives the whole value to a sink, piece by piece, and tells its size.
type Source<'s> = dyn FnMut(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<u64> + 's;
