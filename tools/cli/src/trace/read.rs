//! Reads a trace that `KTLI_URING_TRACE` has had written.

use std::{fs, path::Path};

use ktli_uring::trace::format::{Header, Record};

use crate::failure::{Failure, Result};

/// A call of a process.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The process.
    pub process: u32,
    /// The call.
    pub record: Record,
}

impl Call {
    /// When it returned.
    pub fn end(&self) -> u64 {
        self.record.start.saturating_add(self.record.duration)
    }
}

/// All calls, in the order in which they began.
#[derive(Default)]
pub struct Trace {
    /// The calls.
    pub calls: Vec<Call>,
    /// Calls that were not written.
    pub lost: u64,
    /// What to add to a time to get nanoseconds since 1970.
    pub epoch: u64,
    /// Bytes at the end of the file that are no whole chunk.
    pub broken: usize,
}

/// Reads a file.
pub fn read(path: &Path) -> Result<Trace> {
    let bytes = fs::read(path).map_err(|error| Failure::file(path.display(), error))?;
    let trace = parse(&bytes);
    if trace.calls.is_empty() && trace.broken > 0 {
        return Err(Failure::other(format!("{}: that is no trace", path.display())));
    }
    Ok(trace)
}

/// Reads as many whole records as there are: what killed the program, or a full disk, may have cut a chunk.
fn parse(bytes: &[u8]) -> Trace {
    let mut trace = Trace::default();
    let mut rest = bytes;
    while let Some((header, records)) =
        rest.split_first_chunk().and_then(|(header, records)| Some((Header::from_bytes(header)?, records)))
    {
        trace.lost += header.lost;
        trace.epoch = header.epoch;
        rest = records;
        for _ in 0..header.records {
            let Some((record, others)) = rest
                .split_first_chunk()
                .and_then(|(record, others)| Some((Record::from_bytes(record)?, others)))
            else {
                break;
            };
            trace.calls.push(Call { process: header.process, record });
            rest = others;
        }
    }
    trace.broken = rest.len();
    trace.calls.sort_by_key(|call| (call.record.start, call.end()));
    trace
}

#[cfg(test)]
mod tests {
    use ktli_uring::trace::format::Function;

    use super::*;

    fn record(start: u64) -> Record {
        Record {
            start,
            duration: 1,
            handle: 1,
            argument: 9,
            result: 9,
            errno: 0,
            thread: 1,
            function: Function::Send,
        }
    }

    fn chunk(process: u32, starts: &[u64]) -> Vec<u8> {
        let header = Header { process, records: starts.len() as u32, lost: 1, epoch: 5 };
        let mut bytes = header.to_bytes().to_vec();
        for start in starts {
            bytes.extend(record(*start).to_bytes());
        }
        bytes
    }

    #[test]
    fn chunks_of_processes_are_brought_into_order() {
        let bytes = [chunk(7, &[30, 10]), chunk(8, &[]), chunk(8, &[20])].concat();
        let trace = parse(&bytes);
        let starts: Vec<_> = trace.calls.iter().map(|call| (call.process, call.record.start)).collect();
        assert_eq!(starts, [(7, 10), (8, 20), (7, 30)]);
        assert_eq!((trace.lost, trace.epoch, trace.broken), (3, 5, 0));
    }

    #[test]
    fn a_cut_chunk_gives_what_is_whole() {
        let bytes = [chunk(7, &[1]), chunk(7, &[2, 3])].concat();
        for cut in 0..bytes.len() {
            let trace = parse(&bytes[..cut]);
            let whole = match cut {
                0..80 => 0,
                80..160 => 1,
                160..208 => 2,
                _ => 3,
            };
            assert_eq!(trace.calls.len(), whole, "{cut}");
            assert_eq!(trace.broken == 0, [0, 32, 80, 112, 160].contains(&cut), "{cut}");
        }
        assert_eq!(parse(b"something else, of any length whatsoever").calls.len(), 0);
    }
}
