//! TLS 1.2 and 1.3 for both sides.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

/// How a server's certificate is checked.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PeerTls {
    /// Certificates to trust instead of the public ones, in PEM.
    pub ca: Option<PathBuf>,
    /// The name that the certificate must be for. `None`: the host.
    pub server_name: Option<String>,
    /// Take any certificate.
    pub insecure: bool,
}

/// Why there is no TLS.
#[derive(Debug)]
pub enum TlsError {
    /// A file cannot be read.
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A PEM text holds no certificate, or no private key.
    Pem {
        /// What is missing.
        what: &'static str,
    },
    /// The certificate or key cannot be used.
    Rustls(rustls::Error),
    /// A certificate of our own could not be made.
    Certificate(rcgen::Error),
    /// Clients' certificates cannot be checked with these roots.
    Clients(VerifierBuilderError),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "{path} cannot be read"),
            Self::Pem { what } => write!(f, "no {what} in the PEM text"),
            Self::Rustls(_) => f.write_str("the certificate and its key cannot be used"),
            Self::Certificate(_) => f.write_str("no certificate could be made"),
            Self::Clients(_) => f.write_str("clients' certificates cannot be checked with it"),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Pem { .. } => None,
            Self::Rustls(source) => Some(source),
            Self::Certificate(source) => Some(source),
            Self::Clients(source) => Some(source),
        }
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Rustls(error)
    }
}

/// A certificate and its private key, both in PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate, and those that lead to its root.
    pub certificate_pem: String,
    /// PKCS#8, PKCS#1 or SEC1.
    pub key_pem: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads both files.
    ///
    /// # Errors
    /// [`TlsError::File`].
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let text = |path: &Path| {
            std::fs::read_to_string(path)
                .map_err(|source| TlsError::File { path: path.display().to_string(), source })
        };
        Ok(Self { certificate_pem: text(certificate)?, key_pem: text(key)? })
    }

    /// Makes a certificate for `names` (host names and addresses), signed by itself: clients have to be told to
    /// trust it.
    ///
    /// # Errors
    /// [`TlsError::Certificate`], for a name that cannot be one.
    pub fn self_signed(names: &[&str]) -> Result<Self, TlsError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).map_err(TlsError::Certificate)?;
        Ok(Self { certificate_pem: made.cert.pem(), key_pem: made.signing_key.serialize_pem() })
    }
}

/// What a TLS listener shows to whoever connects next. It can be replaced while the listener works: handshakes that
/// begin later see the new one, connections that stand go on.
pub struct ServerTls(RwLock<Arc<ServerConfig>>);

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

/// What is spoken inside TLS, as the handshake names it (ALPN, RFC 7301).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Inside {
    /// SMPP, which has no registered name.
    Smpp,
    /// HTTP/1.1.
    Http,
}

impl ServerTls {
    /// A listener that shows `identity` and, with `client_ca`, wants a certificate from each client that these PEM
    /// certificates have signed.
    ///
    /// # Errors
    /// [`TlsError`] when there is no certificate or key, or they do not belong together.
    pub fn new(identity: &Identity, client_ca: Option<&str>, inside: Inside) -> Result<Self, TlsError> {
        let chain = certificates(identity.certificate_pem.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes())
            .map_err(|_| TlsError::Pem { what: "private key" })?;
        let provider = provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let roots = Arc::new(roots(pem.as_bytes())?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                    .build()
                    .map_err(TlsError::Clients)?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key)?;
        if inside == Inside::Http {
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        Ok(Self(RwLock::new(Arc::new(config))))
    }

    /// What the next handshake shows.
    pub fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows from now on what `other` shows.
    pub fn replace(&self, other: &Self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = other.current();
    }
}

/// What a TLS server needs that never changes its certificate. Clients are not asked for theirs.
///
/// # Errors
/// [`TlsError`] when there is no certificate or key, or they do not belong together.
pub fn server_config(identity: &Identity) -> Result<Arc<ServerConfig>, TlsError> {
    Ok(ServerTls::new(identity, None, Inside::Smpp)?.current())
}

/// What connecting to a server over TLS needs: its certificate is checked against the public roots, or those in `ca`,
/// unless `insecure`.
///
/// # Errors
/// [`TlsError`] when `ca` cannot be read or holds no certificate.
pub fn client_config(tls: &PeerTls) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = provider();
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    if tls.insecure {
        let verifier = Arc::new(AnyCertificate { algorithms });
        let config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        return Ok(Arc::new(config));
    }
    let roots = match &tls.ca {
        Some(path) => {
            let pem = std::fs::read(path)
                .map_err(|source| TlsError::File { path: path.display().to_string(), source })?;
            roots(&pem)?
        }
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// The certificates of a PEM text, to be trusted.
fn roots(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let missing = TlsError::Pem { what: "certificate" };
    match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(missing),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Believes every certificate, for `insecure`. Signatures are still checked: the peer has the key it shows.
#[derive(Debug)]
struct AnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_self_signed_identity_serves() {
        let identity = Identity::self_signed(&["localhost", "127.0.0.1"]).expect("good names");
        server_config(&identity).expect("certificate and key belong together");
        assert!(!format!("{identity:?}").contains("PRIVATE"));
    }

    #[test]
    fn what_is_shown_can_be_replaced() {
        let tls = |name: &str, client_ca: Option<&str>| {
            let identity = Identity::self_signed(&[name]).expect("a good name");
            ServerTls::new(&identity, client_ca, Inside::Http)
        };
        let (shown, next) = (tls("a.example", None).expect("good"), tls("b.example", None).expect("good"));
        let before = shown.current();
        shown.replace(&next);
        assert!(Arc::ptr_eq(&shown.current(), &next.current()) && !Arc::ptr_eq(&shown.current(), &before));
        assert!(matches!(tls("c.example", Some("nothing")), Err(TlsError::Pem { what: "certificate" })));
    }

    #[test]
    fn a_file_without_certificates_is_no_ca() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let tls = PeerTls { ca: Some(file.path().to_owned()), ..PeerTls::default() };
        assert!(matches!(client_config(&tls), Err(TlsError::Pem { what: "certificate" })));
        let tls = PeerTls { ca: Some("/nowhere/ca.pem".into()), ..PeerTls::default() };
        assert!(matches!(client_config(&tls), Err(TlsError::File { .. })));
        client_config(&PeerTls::default()).expect("the public roots are built in");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let one = Identity::self_signed(&["localhost"]).expect("a good name");
        let other = Identity::self_signed(&["localhost"]).expect("a good name");
        let mixed = Identity { certificate_pem: one.certificate_pem, key_pem: other.key_pem };
        assert!(matches!(server_config(&mixed), Err(TlsError::Rustls(_))));
    }
}
