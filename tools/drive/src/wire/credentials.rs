//! What the drive shows of itself over TLS: a certificate that it has been given, or one that it makes.

use std::fmt::Display;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::config::Tls;

/// Starts TLS on the drive's side.
#[derive(Clone)]
pub(crate) struct Acceptor(Arc<ServerConfig>);

impl Acceptor {
    pub(super) fn connection(&self) -> io::Result<ServerConnection> {
        ServerConnection::new(Arc::clone(&self.0)).map_err(io::Error::other)
    }
}

/// What starts TLS as the configuration says.
///
/// # Errors
///
/// If a file cannot be read or has something else, or certificate and key do not belong together.
pub(crate) fn acceptor(config: &Tls) -> io::Result<Acceptor> {
    let (chain, key) = match &config.files {
        Some(files) => (read_chain(&files.certificate)?, read_key(&files.key)?),
        None => generate(config.address.ip())?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| invalid(format!("the certificate cannot be used for TLS: {error}")))?;
    Ok(Acceptor(Arc::new(config)))
}

type Credentials = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A certificate that vouches for itself, as drives come with.
fn generate(address: IpAddr) -> io::Result<Credentials> {
    let mut names = vec!["localhost".to_owned(), address.to_string()];
    if address.is_unspecified() {
        names
            .extend([IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()].map(|ip| ip.to_string()));
    }
    let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    Ok((vec![made.cert.der().clone()], key.into()))
}

fn read_chain(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let chain = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| unreadable("certificate", path, &error))?;
    if chain.is_empty() { Err(unreadable("certificate", path, &"there is none")) } else { Ok(chain) }
}

fn read_key(path: &Path) -> io::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable("key", path, &error))
}

fn unreadable(what: &str, path: &Path, error: &dyn Display) -> io::Error {
    invalid(format!("cannot read a TLS {what} from {}: {error}", path.display()))
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}
