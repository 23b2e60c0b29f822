//! The tables in the database, and what is written in one transaction.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::path::Path;

use bytes::Bytes;
use prost::Message as _;
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, Table, TableDefinition};

use super::error::Error;
use super::record::{Record, cut};
use crate::config::MAX_VALUE_SIZE_CEILING;
use crate::store::Entry;

/// What this version writes. A database with another number is refused.
const FORMAT: u64 = 1;

/// How much of the database is kept in memory, in bytes. The kernel caches the
/// file as well.
const CACHE_SIZE: usize = 64 << 20;

/// Encoded records by key.
const ENTRIES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("entries");

/// Pieces of values by the number in the record and the order in the value.
const PIECES: TableDefinition<(u64, u32), &[u8]> = TableDefinition::new("pieces");

/// Numbers by name.
const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");
const FORMAT_KEY: &str = "format";
const USED_KEY: &str = "used";

/// What the store keeps for the device, by name.
const DEVICE: TableDefinition<&str, &[u8]> = TableDefinition::new("device");
const SETTINGS_KEY: &str = "settings";

/// Changes by key: the entry that is there now, or none.
pub(super) type Changes = BTreeMap<Bytes, Option<Entry>>;

pub(super) struct Database(redb::Database);

/// What was there at one moment.
pub(super) struct Snapshot {
    transaction: ReadTransaction,
    entries: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

impl Database {
    /// Makes an empty database in a new file.
    pub fn create(path: &Path) -> io::Result<()> {
        let create = || -> Result<(), Error> {
            let database = redb::Builder::new().create_with_file_format_v3(true).create(path)?;
            let transaction = database.begin_write()?;
            transaction.open_table(ENTRIES)?;
            transaction.open_table(PIECES)?;
            transaction.open_table(DEVICE)?;
            let mut numbers = transaction.open_table(NUMBERS)?;
            numbers.insert(FORMAT_KEY, FORMAT)?;
            numbers.insert(USED_KEY, 0)?;
            drop(numbers);
            Ok(transaction.commit()?)
        };
        create().map_err(Error::into_io)
    }

    /// Opens a database. After a crash this reads all of it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let database = redb::Builder::new()
            .set_cache_size(CACHE_SIZE)
            .set_repair_callback(|_| log::info!("checking the database after a crash"))
            .open(path)
            .map_err(|error| Error::from(error).into_io())?;
        let database = Self(database);
        match database.number(FORMAT_KEY) {
            Ok(FORMAT) => Ok(database),
            Ok(other) => Err(alien(format!("format {other}, but this version knows {FORMAT} only"))),
            Err(error) => Err(alien(error.to_string())),
        }
    }

    /// How many bytes of the capacity are used.
    pub fn used(&self) -> Result<u64, Error> {
        self.number(USED_KEY)
    }

    fn number(&self, name: &str) -> Result<u64, Error> {
        let table = self.0.begin_read()?.open_table(NUMBERS)?;
        let number = table.get(name)?.ok_or_else(|| corrupt(format!("{name} is missing")))?;
        Ok(number.value())
    }

    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        let transaction = self.0.begin_read()?;
        let entries = transaction.open_table(ENTRIES)?;
        Ok(Snapshot { transaction, entries })
    }

    /// Makes all changes at once, durably. `used` is how many bytes of the
    /// capacity are used afterwards.
    pub fn write(&self, changes: &Changes, used: u64) -> Result<(), Error> {
        let transaction = self.0.begin_write()?;
        {
            let mut entries = transaction.open_table(ENTRIES)?;
            let mut pieces = transaction.open_table(PIECES)?;
            // Any number that is free does. After the last one it is so.
            let mut number = pieces.last()?.map_or(0, |(key, _)| key.value().0) + 1;
            for (key, change) in changes {
                let old = match change {
                    None => entries.remove(&key[..])?,
                    Some(entry) => {
                        let (cut, rest) = cut(&entry.value);
                        for (index, piece) in (0..).zip(&cut) {
                            pieces.insert((number, index), &piece[..])?;
                        }
                        let record = Record {
                            version: entry.version.clone(),
                            tag: entry.tag.clone(),
                            algorithm: entry.algorithm,
                            value_len: entry.value.len() as u64,
                            pieces: if cut.is_empty() { 0 } else { number },
                            rest,
                        };
                        number += u64::from(!cut.is_empty());
                        entries.insert(&key[..], &record.encode_to_vec()[..])?
                    }
                };
                let old = old.map(|record| decode(record.value())).transpose()?;
                if let Some(old) = old.filter(Record::has_pieces) {
                    remove_pieces(&mut pieces, old.pieces)?;
                }
            }
            transaction.open_table(NUMBERS)?.insert(USED_KEY, used)?;
        }
        // The default is to return when all is on the disk.
        Ok(transaction.commit()?)
    }

    /// Removes everything.
    pub fn erase(&self) -> Result<(), Error> {
        let transaction = self.0.begin_write()?;
        transaction.delete_table(ENTRIES)?;
        transaction.delete_table(PIECES)?;
        transaction.open_table(ENTRIES)?;
        transaction.open_table(PIECES)?;
        transaction.open_table(DEVICE)?.remove(SETTINGS_KEY)?;
        transaction.open_table(NUMBERS)?.insert(USED_KEY, 0)?;
        Ok(transaction.commit()?)
    }

    pub fn settings(&self) -> Result<Option<Vec<u8>>, Error> {
        let table = self.0.begin_read()?.open_table(DEVICE)?;
        Ok(table.get(SETTINGS_KEY)?.map(|settings| settings.value().to_vec()))
    }

    pub fn set_settings(&self, settings: &[u8]) -> Result<(), Error> {
        let transaction = self.0.begin_write()?;
        transaction.open_table(DEVICE)?.insert(SETTINGS_KEY, settings)?;
        Ok(transaction.commit()?)
    }
}

impl Snapshot {
    pub fn record(&self, key: &[u8]) -> Result<Option<Record>, Error> {
        self.entries.get(key)?.map(|record| decode(record.value())).transpose()
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Entry>, Error> {
        let Some(record) = self.record(key)? else {
            return Ok(None);
        };
        let value = if record.has_pieces() { self.value(&record)? } else { record.rest };
        Ok(Some(Entry { value, version: record.version, tag: record.tag, algorithm: record.algorithm }))
    }

    /// Puts a value together.
    fn value(&self, record: &Record) -> Result<Bytes, Error> {
        let len = record.value_len;
        if len > MAX_VALUE_SIZE_CEILING.into() {
            return Err(corrupt(format!("a value of {len} bytes")));
        }
        let mut value = Vec::with_capacity(len as usize);
        let pieces = self.transaction.open_table(PIECES)?;
        for piece in pieces.range((record.pieces, 0)..=(record.pieces, u32::MAX))? {
            value.extend_from_slice(piece?.1.value());
        }
        value.extend_from_slice(&record.rest);
        if value.len() as u64 != len {
            return Err(corrupt(format!("{} instead of {len} bytes of a value", value.len())));
        }
        Ok(value.into())
    }

    /// The keys from `start` to `end`, which must not be after it.
    pub fn keys<'a>(
        &self,
        start: Bound<&'a [u8]>,
        end: Bound<&'a [u8]>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<Bytes, Error>> + use<'a>, Error> {
        let range = self.entries.range::<&[u8]>((start, end))?;
        Ok(range.map(|item| Ok(Bytes::copy_from_slice(item?.0.value()))))
    }
}

fn remove_pieces(pieces: &mut Table<'_, (u64, u32), &'static [u8]>, number: u64) -> Result<(), Error> {
    for index in 0.. {
        if pieces.remove((number, index))?.is_none() {
            break;
        }
    }
    Ok(())
}

fn decode(record: &[u8]) -> Result<Record, Error> {
    Record::decode(record).map_err(|error| corrupt(format!("a record: {error}")))
}

fn corrupt(what: String) -> Error {
    Error::Corrupt(what)
}

fn alien(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not a database of this drive: {why}"))
}
