//! Takes TLS off connections for tests whose peers speak none: what comes over TLS goes on as it is, and back.
//!
//! `ktli-terminator VERSION` (1.2 or 1.3) says on the standard output at which port of the loopback interface it can be
//! asked. Whoever sends it a port there, as a line, gets another: connections to that one are taken on with a certificate
//! that vouches for itself, and led to the first. It runs until it is killed.
//!
//! Each end is passed on as what it is: a close as a close (with the goodbye of TLS), a reset as a reset.

use std::{
    collections::HashMap,
    error::Error,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use ktli_client::secure::server_config;
use rustix::net::{
    connect_unspec,
    sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size},
};
use rustls::{
    ServerConfig, ServerConnection,
    version::{TLS12, TLS13},
};

/// What a test's peer does not read is to fill the driver's socket, and not the buffers here.
const BUFFER: usize = 128 << 10;

/// How long a reset waits for what was sent before it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much is passed on at a time.
const PIECE: usize = 64 << 10;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let version = match std::env::args().nth(1).as_deref() {
        Some("1.2") => &TLS12,
        Some("1.3") => &TLS13,
        _ => return Err("usage: ktli-terminator 1.2|1.3".into()),
    };
    let config = server_config(&[version])?;
    let desk = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", desk.local_addr()?.port());
    let mut ports = HashMap::new();
    for client in desk.incoming() {
        if let Err(error) = client.map_err(Into::into).and_then(|client| serve(&client, &mut ports, &config))
        {
            eprintln!("ktli-terminator: {error}");
        }
    }
    Ok(())
}

/// Tells at which port the one that the client asks for is had over TLS.
fn serve(client: &TcpStream, ports: &mut HashMap<u16, u16>, config: &Arc<ServerConfig>) -> Result<()> {
    let mut line = String::new();
    BufReader::new(client).read_line(&mut line)?;
    let target = line.trim_end().parse()?;
    let port = match ports.get(&target) {
        Some(port) => *port,
        None => {
            let port = take_on(target, Arc::clone(config))?;
            ports.insert(target, port);
            port
        }
    };
    Ok(writeln!(&*client, "{port}")?)
}

/// Leads connections over TLS to `target`, at a port of its own.
fn take_on(target: u16, config: Arc<ServerConfig>) -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    set_socket_recv_buffer_size(&listener, BUFFER)?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for secure in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            thread::spawn(move || {
                // Whoever waits for it sees the end.
                let _ = lead(&secure, target, config);
            });
        }
    });
    Ok(port)
}

/// Leads one connection to its end.
fn lead(secure: &TcpStream, target: u16, config: Arc<ServerConfig>) -> Result<()> {
    let plain = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, target)))?;
    set_socket_send_buffer_size(&plain, BUFFER)?;
    plain.set_nodelay(true)?;
    secure.set_nodelay(true)?;
    let mut connection = ServerConnection::new(config)?;
    connection.set_buffer_limit(None);
    connection.complete_io(&mut &*secure)?;
    let state = Mutex::new(connection);
    thread::scope(|scope| {
        scope.spawn(|| {
            if decrypt(secure, &plain, &state).is_err() {
                reset(secure, &plain);
            }
        });
        if encrypt(&plain, secure, &state).is_err() {
            await_delivery(secure);
            reset(secure, &plain);
        }
    });
    Ok(())
}

/// From TLS to the target.
fn decrypt(secure: &TcpStream, mut plain: &TcpStream, state: &Mutex<ServerConnection>) -> Result<()> {
    let mut bytes = vec![0; PIECE];
    let mut count = 0;
    loop {
        let mut from = &bytes[..count];
        let mut opened = Vec::new();
        let ended = {
            let mut state = lock(state);
            loop {
                let told = state.process_new_packets()?;
                let start = opened.len();
                opened.resize(start + told.plaintext_bytes_to_read(), 0);
                state.reader().read_exact(&mut opened[start..])?;
                if told.peer_has_closed() || from.is_empty() {
                    break told.peer_has_closed();
                }
                state.read_tls(&mut from)?;
            }
        };
        plain.write_all(&opened)?;
        if ended {
            break;
        }
        count = (&*secure).read(&mut bytes)?;
        if count == 0 {
            break;
        }
    }
    Ok(plain.shutdown(std::net::Shutdown::Write)?)
}

/// From the target to TLS. What TLS has to say by itself goes in front of it, as nobody else sends.
fn encrypt(mut plain: &TcpStream, mut secure: &TcpStream, state: &Mutex<ServerConnection>) -> Result<()> {
    let mut bytes = vec![0; PIECE];
    let mut sealed = Vec::new();
    loop {
        let count = plain.read(&mut bytes)?;
        {
            let mut state = lock(state);
            match count {
                0 => state.send_close_notify(),
                _ => state.writer().write_all(&bytes[..count])?,
            }
            while state.wants_write() {
                state.write_tls(&mut sealed)?;
            }
        }
        secure.write_all(&sealed)?;
        sealed.clear();
        if count == 0 {
            return Ok(secure.shutdown(std::net::Shutdown::Write)?);
        }
    }
}

/// One side has ended with a reset: so does the other, and whoever reads from either sees it.
fn reset(secure: &TcpStream, plain: &TcpStream) {
    for socket in [secure, plain] {
        // It may have ended already.
        let _ = connect_unspec(socket);
    }
}

/// Waits until the other side's kernel has got everything, for a while: a reset destroys what it has not.
fn await_delivery(socket: &TcpStream) {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let mut left: libc::c_int = 0;
        // SAFETY: The call writes the number of bytes to an integer that lives.
        let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &mut left) };
        if result != 0 || left == 0 {
            return;
        }
        thread::sleep(Duration::from_micros(200));
    }
}

fn lock(state: &Mutex<ServerConnection>) -> MutexGuard<'_, ServerConnection> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
