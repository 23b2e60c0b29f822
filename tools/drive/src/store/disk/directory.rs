//! The directory of a store on disk: who may use it, and what has to be in it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Locked by the drive that uses the directory. It has no content.
const LOCK: &str = "lock";

/// The database.
const DATABASE: &str = "entries.redb";

/// A database that is being created. It gets its final name when it is whole,
/// so that an interrupted start does not leave half a database.
const UNFINISHED: &str = "entries.redb.new";

/// A directory that belongs to this process as long as this lives.
pub(super) struct Directory {
    path: PathBuf,
    lock: File,
}

impl Directory {
    /// Takes the directory, which is created if need be, but not its parents.
    ///
    /// # Errors
    ///
    /// If another process has it (or another store of this one), or if there
    /// is something in it, but no store.
    #[expect(clippy::unnecessary_debug_formatting, reason = "in quotes, control characters escaped")]
    pub fn take(path: &Path) -> io::Result<Self> {
        match fs::create_dir(path) {
            Ok(()) => sync_directory(path.parent().filter(|p| !p.as_os_str().is_empty()))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        // Before there is a lock in it that does not belong there.
        if !path.join(DATABASE).try_exists()? {
            for file in fs::read_dir(path)? {
                let name = file?.file_name();
                if name != LOCK && name != UNFINISHED {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("not a drive's directory: it has {name:?}, but not {DATABASE:?}"),
                    ));
                }
            }
        }
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(path.join(LOCK))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            rustix::io::Errno::WOULDBLOCK => {
                io::Error::new(io::ErrorKind::ResourceBusy, "in use by another drive")
            }
            error => error.into(),
        })?;
        Ok(Self { path: path.to_owned(), lock })
    }

    /// The path of the database. If there is none, `create` makes it at the
    /// path it is given.
    pub fn database(&self, create: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
        let database = self.path.join(DATABASE);
        if !database.try_exists()? {
            let unfinished = self.path.join(UNFINISHED);
            match fs::remove_file(&unfinished) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            create(&unfinished)?;
            fs::rename(&unfinished, &database)?;
            sync_directory(Some(&self.path))?;
        }
        Ok(database)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Closing the file is not enough while a process that was just forked
        // off has it open, too, until it executes its own program. There is
        // nothing to be done about an error.
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

/// Makes the names in a directory (the current one, by default) durable.
fn sync_directory(path: Option<&Path>) -> io::Result<()> {
    File::open(path.unwrap_or(Path::new(".")))?.sync_all()
}
