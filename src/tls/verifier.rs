//! Whom to take for the drive.

use std::sync::Arc;

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest as hash};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

/// A SHA-256.
pub type Digest = [u8; SHA256_OUTPUT_LEN];

/// Reads a SHA-256 in hexadecimal digits, in pairs between which there may be colons.
pub fn digest(text: &str) -> Option<Digest> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| *byte != b':')
        .map(|byte| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair.last().unwrap_or(&0)).collect();
    if digits.len() == 2 * SHA256_OUTPUT_LEN { bytes.try_into().ok() } else { None }
}

/// Takes anyone. Not even the signature that proves the possession of the key is looked at: it would prove nothing, and
/// some old drives have keys and certificates that rustls would not read.
#[derive(Debug)]
pub struct Anyone(WebPkiSupportedAlgorithms);

impl Anyone {
    /// With the provider's algorithms, which the handshake offers.
    pub fn new(provider: &CryptoProvider) -> Self {
        Anyone(provider.signature_verification_algorithms)
    }
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// Takes who has the private key of one public key, provided that another verifier takes its certificate, too.
#[derive(Debug)]
pub struct Pinned {
    pin: Digest,
    chain: Arc<dyn ServerCertVerifier>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pinned {
    /// `pin` is the SHA-256 of a certificate's `SubjectPublicKeyInfo`.
    pub fn new(pin: Digest, chain: Arc<dyn ServerCertVerifier>, provider: &CryptoProvider) -> Self {
        Pinned { pin, chain, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        let shown = hash(&SHA256, &key);
        if shown.as_ref() != self.pin {
            log::warn!(
                "TLS: the drive's key is not that of KTLI_URING_TLS_PIN, but {}",
                hexadecimal(shown.as_ref())
            );
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        self.chain.verify_server_cert(certificate, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[expect(clippy::format_collect, reason = "a few bytes, once")]
fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use rustls::{
        ClientConfig, ClientConnection, ServerConfig, ServerConnection, SupportedProtocolVersion,
        pki_types::PrivatePkcs8KeyDer,
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
        version::{TLS12, TLS13},
    };

    use super::*;

    /// Shows one certificate and signs with a key that may be another's.
    #[derive(Debug)]
    struct Shown(Arc<CertifiedKey>);

    impl ResolvesServerCert for Shown {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }

    /// What a client with this verifier says to a server that shows this.
    fn shake_hands(
        verifier: Pinned,
        shown: CertifiedKey,
        version: &'static SupportedProtocolVersion,
    ) -> Result<(), Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Shown(Arc::new(shown))));
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let mut server = ServerConnection::new(Arc::new(server))?;
        let mut client = ClientConnection::new(Arc::new(client), "drive".try_into().unwrap())?;
        while client.is_handshaking() {
            let mut bytes = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut bytes).unwrap();
            }
            server.read_tls(&mut &bytes[..]).unwrap();
            server.process_new_packets()?;
            bytes.clear();
            while server.wants_write() {
                server.write_tls(&mut bytes).unwrap();
            }
            client.read_tls(&mut &bytes[..]).unwrap();
            client.process_new_packets()?;
        }
        Ok(())
    }

    #[test]
    fn a_certificate_without_its_key_is_nobodys() {
        let provider = rustls::crypto::ring::default_provider();
        let [drive, other] = [(); 2].map(|()| {
            let made = rcgen::generate_simple_self_signed(["drive".to_owned()]).unwrap();
            let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
            (made.cert.der().clone(), provider.key_provider.load_private_key(key.into()).unwrap())
        });
        let key = ParsedCertificate::try_from(&drive.0).unwrap().subject_public_key_info();
        let pin = hash(&SHA256, &key).as_ref().try_into().unwrap();
        for version in [&TLS12, &TLS13] {
            let verifier = || Pinned::new(pin, Arc::new(Anyone::new(&provider)), &provider);
            let shown = |key: &(_, _)| CertifiedKey::new(vec![drive.0.clone()], Arc::clone(&key.1));
            assert_eq!(shake_hands(verifier(), shown(&drive), version), Ok(()));
            let refused = shake_hands(verifier(), shown(&other), version);
            assert_eq!(refused, Err(CertificateError::BadSignature.into()));
        }
    }

    #[test]
    fn digests_are_read_as_openssl_prints_them() {
        let wanted: Digest = std::array::from_fn(|n| n as u8 * 8);
        let plain = hexadecimal(&wanted);
        let colons: Vec<String> = wanted.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(digest(&plain), Some(wanted));
        assert_eq!(digest(&colons.join(":")), Some(wanted));
        for wrong in ["", "00", &plain[2..], &plain[1..], &format!("{plain}0"), &plain.replace('8', "g")] {
            assert_eq!(digest(wrong), None, "{wrong}");
        }
    }
}
