//! Values that are larger than a drive takes: pieces under keys of their own, and under the value's key a line of JSON
//! that tells where they are.
//!
//! The pieces of `KEY` are `KEY/ID/00000000` and so on. Each writing has an ID of its own, and the line is written
//! last: whoever reads finds the old value or the new one, never parts of both. (A reader that has the old line while
//! the old pieces go misses a piece, and says so.)

use std::{
    collections::VecDeque,
    hash::{BuildHasher, Hasher, RandomState},
    io::{Read, Write},
    sync::Arc,
};

use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use crate::{
    client::{Client, Force, check, success},
    failure::{Code, Failure, Result},
};

/// Requests outstanding at a time, and the bytes of their values.
const OUTSTANDING: usize = 16;
const OUTSTANDING_BYTES: usize = 64 << 20;

/// The line under the value's key.
#[derive(Serialize, Deserialize)]
pub struct Manifest {
    /// Tells such a line from other values, and its version.
    #[serde(rename = "ktli-uring-split")]
    version: u32,
    id: String,
    /// How many pieces there are.
    pub pieces: u32,
    /// Bytes of the whole value.
    pub bytes: u64,
}

impl Manifest {
    fn parse(value: &[u8]) -> Option<Manifest> {
        serde_json::from_slice(value).ok().filter(|manifest: &Manifest| manifest.version == 1)
    }

    fn key(&self, key: &[u8], piece: u32) -> Vec<u8> {
        [key, format!("/{}/{piece:08x}", self.id).as_bytes()].concat()
    }
}

/// Requests that are outstanding, in order. A drive may answer in another.
struct Window {
    limit: usize,
    sequences: VecDeque<u64>,
}

impl Window {
    fn of(piece: usize) -> Window {
        let limit = (OUTSTANDING_BYTES / piece.max(1)).clamp(1, OUTSTANDING);
        Window { limit, sequences: VecDeque::new() }
    }

    /// Waits for any answer, and tells which of the requests outstanding it is to.
    fn settle(&mut self, client: &Client, name: &str) -> Result<(u64, Vec<u8>)> {
        let (answer, value) = client.answer()?;
        success(name, &answer)?;
        check(name, &answer, &value)?;
        let known = self.sequences.iter().position(|sequence| answer.ack_sequence() == Some(*sequence));
        let sequence = known.and_then(|index| self.sequences.remove(index));
        Ok((sequence.ok_or_else(|| Failure::other(format!("{name}: an answer to no request")))?, value))
    }
}

/// The line of a value that was stored in pieces; `None` if there is no such key or another value.
pub fn find(client: &mut Client, key: &[u8], name: &str) -> Result<Option<Manifest>> {
    match client.get(key, name) {
        Ok(value) => Ok(Manifest::parse(&value)),
        Err(failure) if failure.code == Code::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The same, where it has to be there.
pub fn expect(client: &mut Client, key: &[u8], name: &str) -> Result<Manifest> {
    let value = client.get(key, name)?;
    Manifest::parse(&value)
        .ok_or_else(|| Failure::other(format!("{name}: the value was not put with --split")))
}

/// Stores what `source` has, in pieces.
pub fn put(
    client: &mut Client,
    key: &[u8],
    name: &str,
    force: Force,
    source: &mut dyn Read,
    bar: &ProgressBar,
) -> Result<Manifest> {
    let old = find(client, key, name)?;
    let piece_size = client.max_value_size().min(OUTSTANDING_BYTES);
    // A random number: the hasher's keys are.
    let id = format!("{:016x}", RandomState::new().build_hasher().finish());
    let mut manifest = Manifest { version: 1, id, pieces: 0, bytes: 0 };
    let mut window = Window::of(piece_size);
    loop {
        let mut piece = Vec::with_capacity(piece_size);
        source
            .take(piece_size as u64)
            .read_to_end(&mut piece)
            .map_err(|error| Failure::file("the source", error))?;
        if piece.is_empty() {
            break;
        }
        while window.sequences.len() >= window.limit {
            window.settle(client, name)?;
        }
        let length = piece.len() as u64;
        let request = client.put_request(&manifest.key(key, manifest.pieces), &piece, Force { force: true });
        window.sequences.push_back(request.sequence);
        client.submit(request, piece.into())?;
        manifest.pieces += 1;
        manifest.bytes += length;
        bar.inc(length);
    }
    while !window.sequences.is_empty() {
        window.settle(client, name)?;
    }
    let line = serde_json::to_vec(&manifest).map_err(|error| Failure::other(error.to_string()))?;
    client.put(key, name, line, force)?;
    if let Some(old) = old {
        remove_pieces(client, key, name, &old)?;
    }
    Ok(manifest)
}

/// Reads the pieces of a value, in order.
pub fn get(
    client: &mut Client,
    key: &[u8],
    name: &str,
    manifest: &Manifest,
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    bar: &ProgressBar,
) -> Result<()> {
    let mut window = Window::of(client.max_value_size());
    let first = client.builder.sequence;
    let mut asked = 0;
    // Pieces that came before one that is in front of them.
    let mut early: VecDeque<Option<Vec<u8>>> = VecDeque::new();
    let mut written = 0_u64;
    let mut next = 0;
    while next < manifest.pieces {
        while asked < manifest.pieces && early.len() < window.limit {
            let request = client.builder.get(&manifest.key(key, asked));
            window.sequences.push_back(request.sequence);
            client.submit(request, Arc::default())?;
            early.push_back(None);
            asked += 1;
        }
        let (sequence, value) = window.settle(client, name)?;
        let place = (sequence - first) as usize - next as usize;
        early[place] = Some(value);
        while let Some(Some(value)) = early.front() {
            sink(value)?;
            written += value.len() as u64;
            bar.inc(value.len() as u64);
            early.pop_front();
            next += 1;
        }
    }
    if written != manifest.bytes {
        return Err(Failure::other(format!("{name}: {written} bytes instead of {}", manifest.bytes)));
    }
    Ok(())
}

/// Removes a value and its pieces.
pub fn delete(client: &mut Client, key: &[u8], name: &str, force: Force) -> Result<()> {
    let manifest = expect(client, key, name)?;
    client.delete(key, name, force)?;
    remove_pieces(client, key, name, &manifest)
}

fn remove_pieces(client: &mut Client, key: &[u8], name: &str, manifest: &Manifest) -> Result<()> {
    let mut window = Window::of(0);
    for piece in 0..manifest.pieces {
        while window.sequences.len() >= window.limit {
            window.settle(client, name)?;
        }
        // With force it is no failure that one is gone already.
        let request = client.delete_request(&manifest.key(key, piece), Force { force: true });
        window.sequences.push_back(request.sequence);
        client.submit(request, Arc::default())?;
    }
    while !window.sequences.is_empty() {
        window.settle(client, name)?;
    }
    Ok(())
}

/// A sink that writes.
pub fn to_writer<'w>(writer: &'w mut dyn Write, name: &'w str) -> impl FnMut(&[u8]) -> Result<()> + 'w {
    move |bytes| writer.write_all(bytes).map_err(|error| Failure::file(name, error))
}
