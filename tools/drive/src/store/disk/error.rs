//! What can go wrong with the database.

use std::{fmt, io};

use crate::store::Refusal;

/// What went wrong with the database.
#[derive(Debug)]
pub(super) enum Error {
    /// What is stored makes no sense.
    Corrupt(String),
    Io(io::Error),
    /// Everything else. Boxed, as it is large.
    Other(Box<redb::Error>),
}

impl<E: Into<redb::Error>> From<E> for Error {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::Corrupted(what) => Self::Corrupt(what),
            redb::Error::Io(error) => Self::Io(error),
            error => Self::Other(Box::new(error)),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(what) => write!(f, "damaged: {what}"),
            Self::Io(error) => error.fmt(f),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl Error {
    /// Says in the log what the client is not told.
    pub fn refuse(self) -> Refusal {
        log::error!("cannot read from the store: {self}");
        if matches!(self, Self::Corrupt(_)) { Refusal::Corrupt } else { Refusal::Failed }
    }

    pub fn into_io(self) -> io::Error {
        match self {
            Self::Corrupt(_) => io::Error::new(io::ErrorKind::InvalidData, self.to_string()),
            Self::Io(error) => error,
            Self::Other(error) => io::Error::other(error),
        }
    }
}
