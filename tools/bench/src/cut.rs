//! How often a message does not fit into the socket in one go: the failure that the seed's author met.
//!
//! A non-blocking socket takes what its buffer has room for. This sends PUTs as the stock flow does, but looks at what
//! the first sendmsg of each message has taken, over sizes of values and of the send buffer.

use std::{
    io::{self, IoSlice, Read, Write},
    net::TcpStream,
    thread,
};

use ktli_client::peer::Peer;
use rustix::net::sockopt::{set_socket_send_buffer_size, socket_send_buffer_size};

use crate::{credits::Credits, frame, plan::SIZES, results::Operation};

/// Sizes that are asked for as send buffer; 0 leaves it to the kernel.
const BUFFERS: [usize; 5] = [0, 1 << 20, 2 << 20, 5 << 20, 10 << 20];
/// Requests outstanding.
const OUTSTANDING: usize = 32;

/// Prints a table: the share of messages that one call did not take as a whole.
pub fn measure(peer: &Peer) -> io::Result<()> {
    print!("| value |");
    for asked in BUFFERS {
        let stream = connect(peer, asked)?;
        let has = socket_send_buffer_size(&stream)? >> 10;
        match asked {
            0 => print!(" tuned by the kernel |"),
            _ => print!(" asked for {} MiB, has {has} KiB |", asked >> 20),
        }
    }
    println!("\n|---|{}", "---|".repeat(BUFFERS.len()));
    for size in SIZES {
        print!("| {} KiB |", size as f64 / 1024.0);
        for asked in BUFFERS {
            let count = (256 << 20 >> 10) / (size >> 10).max(64);
            let cut = send(&connect(peer, asked)?, size, count)?;
            print!(" {:.1} % |", 100.0 * cut as f64 / count as f64);
        }
        println!();
    }
    Ok(())
}

fn connect(peer: &Peer, buffer: usize) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(peer.address)?;
    stream.set_nodelay(true)?;
    if buffer > 0 {
        set_socket_send_buffer_size(&stream, buffer)?;
    }
    Ok(stream)
}

/// Sends so many messages and tells how many were cut.
fn send(stream: &TcpStream, size: usize, count: usize) -> io::Result<usize> {
    let (pdu, message) = frame::request(Operation::Put, size);
    let (pdu, value) = (pdu.encode(), vec![0x56; size]);
    let credits = Credits::new(OUTSTANDING);
    // The answers are read on a descriptor of its own: both share the state of being non-blocking.
    let mut answers = stream.try_clone()?;
    thread::scope(|scope| -> io::Result<usize> {
        scope.spawn(|| {
            let mut answer = frame::answer(0);
            for _ in 0..count {
                if read_all(&mut answers, &mut answer).is_err() {
                    return;
                }
                credits.give(1);
            }
        });
        stream.set_nonblocking(true)?;
        let (mut available, mut cut) = (0, 0);
        for _ in 0..count {
            if available == 0 {
                available = credits.take();
            }
            available -= 1;
            let mut slices = [IoSlice::new(&pdu), IoSlice::new(&message), IoSlice::new(&value)];
            let mut slices = &mut slices[..];
            let mut first = true;
            while slices.iter().any(|slice| !slice.is_empty()) {
                let taken = match (&*stream).write_vectored(slices) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                    taken => taken?,
                };
                let whole: usize = slices.iter().map(|slice| slice.len()).sum();
                cut += usize::from(first && taken < whole);
                first = false;
                IoSlice::advance_slices(&mut slices, taken);
                if taken == 0 {
                    thread::yield_now();
                }
            }
        }
        Ok(cut)
    })
}

fn read_all(stream: &mut TcpStream, mut bytes: &mut [u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.read(bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => bytes = &mut bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::yield_now(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
