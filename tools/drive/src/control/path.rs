//! The control socket's place in the file system.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen as listen_on, socket_with,
};

/// How many clients can wait to be accepted.
const BACKLOG: i32 = 16;

/// The file of a socket that is listened on. Dropping it removes the file, unless it is another one by now.
pub(super) struct SocketPath {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // Whoever has removed it meanwhile has done what was to do.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens at `path`. A socket that nobody listens on any more is replaced; anything else there is an error.
///
/// Of two drives that find the same one left behind at the same moment, one may lose its file to the other.
pub(super) fn listen(path: &Path) -> io::Result<(UnixListener, SocketPath)> {
    let listener = match bind_at(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
            fs::remove_file(path)?;
            bind_at(path)
        }
        result => result,
    };
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let listener = listener.map_err(named)?;
    let path = SocketPath { path: path.to_owned(), identity: identity(path).map_err(named)? };
    Ok((listener, path))
}

fn bind_at(path: &Path) -> io::Result<UnixListener> {
    let address = SocketAddrUnix::new(path)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // Before it is bound, so that there is no moment at which others could connect: Linux makes the file with the
    // socket's mode.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &address)?;
    listen_on(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Whether a socket was left there by somebody who has gone.
fn is_stale(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    is_socket
        && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}
