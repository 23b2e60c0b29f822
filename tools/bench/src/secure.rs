//! TLS for the bare peer: as few system calls as on plain connections, so that what TLS costs it is arithmetic.

use std::{
    io::{self, IoSlice, Read, Write},
    net::TcpStream,
    sync::Arc,
};

use rustls::{ServerConfig, ServerConnection};

/// How much is read at a time, and how much encrypted before it is sent.
const PIECE: usize = 256 << 10;

/// The peer's end of a connection over TLS.
pub struct Secure {
    tcp: TcpStream,
    state: ServerConnection,
    /// What was read, of which so many bytes are decrypted.
    arrived: Vec<u8>,
    taken: usize,
    leaving: Vec<u8>,
}

impl Secure {
    /// Shakes hands.
    pub fn accept(mut tcp: TcpStream, config: Arc<ServerConfig>) -> io::Result<Secure> {
        let mut state = ServerConnection::new(config).map_err(io::Error::other)?;
        // What is encrypted leaves it at once.
        state.set_buffer_limit(None);
        state.complete_io(&mut tcp)?;
        Ok(Secure { tcp, state, arrived: Vec::with_capacity(PIECE), taken: 0, leaving: Vec::new() })
    }
}

impl Read for Secure {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        loop {
            match self.state.reader().read(&mut buffer[read..]) {
                // The end, or a full buffer.
                Ok(0) => return Ok(read),
                Ok(count) => {
                    read += count;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if self.taken == self.arrived.len() {
                if read > 0 {
                    return Ok(read);
                }
                self.arrived.resize(PIECE, 0);
                let count = self.tcp.read(&mut self.arrived)?;
                self.arrived.truncate(count);
                self.taken = 0;
                if count == 0 {
                    return Ok(0);
                }
            }
            let mut rest = &self.arrived[self.taken..];
            self.taken += self.state.read_tls(&mut rest)?;
            self.state.process_new_packets().map_err(io::Error::other)?;
        }
    }
}

impl Write for Secure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut taken = 0;
        for slice in slices {
            let bytes = &slice[..slice.len().min(PIECE - taken)];
            self.state.writer().write_all(bytes)?;
            taken += bytes.len();
        }
        while self.state.wants_write() {
            self.state.write_tls(&mut self.leaving)?;
        }
        self.tcp.write_all(&self.leaving)?;
        self.leaving.clear();
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
