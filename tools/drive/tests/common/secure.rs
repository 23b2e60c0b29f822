//! A client over TLS that checks nothing, as certificates are not what its tests are about.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use kinetic_drive::protocol::{Answer, DEFAULT_KEY, Encoded, HmacKey, RequestBuilder, StatusCode};
use kinetic_drive::{Config, Drive, Tls, client_config};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConnection, StreamOwned, SupportedProtocolVersion};

use super::{PATIENCE, receive, start_with};

pub static VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A configuration with TLS on a free port, with a certificate that the drive makes.
pub fn with_tls() -> Config {
    Config { tls: Some(Tls { address: (Ipv4Addr::LOCALHOST, 0).into(), files: None }), ..Config::default() }
}

pub fn start_tls() -> Drive {
    start_with(with_tls())
}

/// A TLS connection whose first message has been received.
pub struct SecureClient {
    pub stream: StreamOwned<ClientConnection, TcpStream>,
    key: HmacKey,
    pub builder: RequestBuilder,
    pub hello: Answer,
}

impl SecureClient {
    pub fn connect(drive: &Drive) -> Self {
        Self::connect_to(drive.tls_addr().unwrap(), &TLS13)
    }

    pub fn connect_to(address: SocketAddr, version: &'static SupportedProtocolVersion) -> Self {
        let mut stream = stream(address, version);
        let key = HmacKey::new(DEFAULT_KEY);
        let (hello, _) = receive(&mut stream, &key).unwrap();
        assert!(hello.unsolicited);
        assert_eq!(hello.status(), StatusCode::Success);
        assert_eq!(stream.conn.protocol_version(), Some(version.version));
        Self { stream, key, builder: RequestBuilder::new(hello.connection_id().unwrap()), hello }
    }

    pub fn send(&mut self, request: &Encoded, value: &[u8]) {
        let mut bytes = Vec::new();
        request.append_to(&mut bytes);
        bytes.extend_from_slice(value);
        self.stream.write_all(&bytes).unwrap();
    }

    pub fn receive(&mut self) -> io::Result<(Answer, Vec<u8>)> {
        receive(&mut self.stream, &self.key)
    }

    /// Sends a request and receives its answer.
    pub fn ask(&mut self, request: &Encoded, value: &[u8]) -> (Answer, Vec<u8>) {
        self.send(request, value);
        let (answer, value) = self.receive().unwrap();
        assert_eq!(answer.ack_sequence(), Some(request.sequence));
        (answer, value)
    }

    pub fn put(&mut self, key: &[u8], value: &[u8]) -> StatusCode {
        let request = self.builder.put(key, value.len() as u32);
        self.ask(&request, value).0.status()
    }

    pub fn get(&mut self, key: &[u8]) -> (StatusCode, Vec<u8>) {
        let request = self.builder.get(key);
        let (answer, value) = self.ask(&request, b"");
        (answer.status(), value)
    }

    pub fn noop(&mut self) -> StatusCode {
        let request = self.builder.noop();
        self.ask(&request, b"").0.status()
    }

    /// Receives the status with which the drive announces the end, and the end, which TLS announces, too.
    pub fn expect_farewell(&mut self) -> Answer {
        let (answer, _) = self.receive().unwrap();
        assert!(answer.unsolicited, "{answer:?}");
        assert_eq!(self.stream.read(&mut [0]).unwrap(), 0);
        answer
    }
}

/// A TCP connection with time limits.
pub fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// TLS, which shakes hands when it is first used.
pub fn stream(
    address: SocketAddr,
    version: &'static SupportedProtocolVersion,
) -> StreamOwned<ClientConnection, TcpStream> {
    let config = client_config(&[version]).unwrap();
    let name = ServerName::IpAddress(address.ip().into());
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), tcp(address))
}
