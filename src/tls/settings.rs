//! The `KTLI_URING_TLS_` variables: whom to trust, and what to show of oneself.
//!
//! Drives come with certificates that they have made themselves, and the socket driver checks none. So nothing is
//! checked by default, and said so once. But whoever asks for a check gets it or nothing: whatever is wrong with one of
//! the variables, or with a file that they name, fails `connect`.

use std::{
    fmt::Display,
    sync::{Arc, Once},
};

use log::{error, warn};
use rustls::{
    ClientConfig, RootCertStore,
    client::{Resumption, WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::{
    kernel,
    verifier::{self, Anyone, Pinned},
};
use crate::{config, error::Errno};

/// What the variables come to.
pub struct Settings {
    /// What rustls needs.
    pub config: Arc<ClientConfig>,
    /// Does the drive's name matter?
    pub checks_names: bool,
}

/// Reads the variables, and the files that they name. `in_kernel`: for a connection that the kernel is to take over.
/// Fails with EINVAL, and a line in the log that says why.
pub fn read(in_kernel: bool) -> Result<Settings, Errno> {
    // Without the variables nobody would know what was asked for.
    let read = |name| Ok((name, config::variable(name)?));
    let variables: Vec<_> = config::TEXTS.into_iter().map(read).collect::<Result<_, Errno>>()?;
    let lookup = |name: &str| variables.iter().find(|(known, _)| *known == name)?.1.clone();
    build(&lookup, in_kernel).map_err(|why| {
        error!("no connection over TLS: {why}");
        Errno::INVAL
    })
}

fn build(variable: &dyn Fn(&str) -> Option<String>, in_kernel: bool) -> Result<Settings, String> {
    let mut provider = rustls::crypto::ring::default_provider();
    if in_kernel {
        // Stable: the rest stays in its order, for drives that have nothing else.
        provider.cipher_suites.sort_by_key(|suite| !kernel::is_suitable(suite.suite()));
    }
    let provider = Arc::new(provider);
    let pin = variable("KTLI_URING_TLS_PIN").map(|text| {
        verifier::digest(&text)
            .ok_or_else(|| format!("KTLI_URING_TLS_PIN={text:?} is no SHA-256 (64 hexadecimal digits)"))
    });
    let pin = pin.transpose()?;
    let ca = variable("KTLI_URING_TLS_CA");
    let verify = variable("KTLI_URING_TLS_VERIFY");
    let checks_names = match verify.as_deref() {
        Some("ca") => true,
        None | Some("none") => false,
        Some(other) => return Err(format!("KTLI_URING_TLS_VERIFY={other:?} is not one of none, ca")),
    };
    let chain: Arc<dyn ServerCertVerifier> = match (checks_names, ca) {
        (true, Some(path)) => authorities(&path, &provider)?,
        (true, None) => return Err("KTLI_URING_TLS_VERIFY=ca needs KTLI_URING_TLS_CA, a PEM file".into()),
        (false, Some(_)) => {
            return Err("KTLI_URING_TLS_CA is there, and KTLI_URING_TLS_VERIFY is not ca".into());
        }
        (false, None) => Arc::new(Anyone::new(&provider)),
    };
    if !checks_names && pin.is_none() {
        say_that_nothing_is_checked();
    }
    let verifier = match pin {
        Some(pin) => Arc::new(Pinned::new(pin, chain, &provider)),
        None => chain,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let own = (variable("KTLI_URING_TLS_CERT"), variable("KTLI_URING_TLS_KEY"));
    let mut config = match own {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let chain = certificates("KTLI_URING_TLS_CERT", &certificate)?;
            let key = PrivateKeyDer::from_pem_file(&key)
                .map_err(|error| unusable("KTLI_URING_TLS_KEY", &key, &error))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| unusable("KTLI_URING_TLS_CERT", &certificate, &error))?
        }
        _ => return Err("KTLI_URING_TLS_CERT and KTLI_URING_TLS_KEY need each other".into()),
    };
    // Each connection is checked by itself.
    config.resumption = Resumption::disabled();
    config.enable_secret_extraction = in_kernel;
    Ok(Settings { config: Arc::new(config), checks_names })
}

/// What checks certificates against the authorities in a file.
fn authorities(path: &str, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
    const NAME: &str = "KTLI_URING_TLS_CA";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(NAME, path)? {
        roots.add(certificate).map_err(|error| unusable(NAME, path, &error))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| unusable(NAME, path, &error))
}

fn certificates(name: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let list = read.map_err(|error| unusable(name, path, &error))?;
    if list.is_empty() { Err(unusable(name, path, &"there is no certificate in it")) } else { Ok(list) }
}

fn unusable(name: &str, path: &str, why: &dyn Display) -> String {
    format!("{name}={path:?} cannot be used: {why}")
}

fn say_that_nothing_is_checked() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        warn!(
            "TLS encrypts, but the drives' certificates are not checked: KTLI_URING_TLS_VERIFY=ca with \
             KTLI_URING_TLS_CA, or KTLI_URING_TLS_PIN, make sure of whom a connection is to"
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(variables: &[(&str, &str)]) -> String {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(known, _)| name == format!("KTLI_URING_TLS_{known}"));
            found.map(|(_, value)| (*value).to_owned())
        };
        build(&lookup, false).err().unwrap_or_default()
    }

    #[test]
    fn the_kernel_s_suites_come_first_for_it_and_none_is_left_out() {
        let suites =
            |in_kernel| build(&|_| None, in_kernel).unwrap().config.crypto_provider().cipher_suites.clone();
        let (here, there) = (suites(false), suites(true));
        assert_eq!(here.len(), there.len());
        assert!(!kernel::is_suitable(here[0].suite()) && kernel::is_suitable(there[0].suite()));
        assert!(here.iter().all(|suite| there.contains(suite)));
        assert!(there.is_sorted_by_key(|suite| !kernel::is_suitable(suite.suite())));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let pin = "0".repeat(64);
        assert_eq!(why(&[]), "");
        assert_eq!(why(&[("VERIFY", "none"), ("PIN", &pin)]), "");
        for (variables, named) in [
            (&[("VERIFY", "yes")][..], "VERIFY=\"yes\""),
            (&[("VERIFY", "")], "VERIFY=\"\""),
            (&[("VERIFY", "ca")], "KTLI_URING_TLS_CA"),
            (&[("CA", "/dev/null")], "KTLI_URING_TLS_VERIFY"),
            (&[("VERIFY", "none"), ("CA", "/dev/null")], "KTLI_URING_TLS_VERIFY"),
            (&[("VERIFY", "ca"), ("CA", "/dev/null")], "KTLI_URING_TLS_CA=\"/dev/null\""),
            (&[("VERIFY", "ca"), ("CA", "/nowhere")], "KTLI_URING_TLS_CA=\"/nowhere\""),
            (&[("PIN", "0")], "PIN=\"0\""),
            (&[("PIN", &pin[1..])], "PIN="),
            (&[("CERT", "/dev/null")], "KTLI_URING_TLS_KEY"),
            (&[("KEY", "/dev/null")], "KTLI_URING_TLS_CERT"),
            (&[("CERT", "/nowhere"), ("KEY", "/dev/null")], "CERT=\"/nowhere\""),
        ] {
            let why = why(variables);
            assert!(why.contains(named), "{variables:?}: {why}");
        }
    }
}
