//! What a peer over TLS shows of itself.

use std::{io, sync::Arc};

use rustls::{ServerConfig, SupportedProtocolVersion, pki_types::PrivatePkcs8KeyDer};

/// For a server of these versions, with a certificate made now, which vouches for itself as drives' own do.
///
/// # Errors
///
/// If no key can be made, or rustls knows none of the versions.
pub fn server_config(versions: &[&'static SupportedProtocolVersion]) -> io::Result<Arc<ServerConfig>> {
    let made = rcgen::generate_simple_self_signed(["peer".to_owned()]).map_err(io::Error::other)?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .and_then(|builder| {
            builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key.into())
        });
    config.map(Arc::new).map_err(io::Error::other)
}
