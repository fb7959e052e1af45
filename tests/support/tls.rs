//! A certificate for 127.0.0.1 and localhost, and both ends' configurations.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A self-signed certificate with its key.
#[derive(Debug)]
pub struct Identity {
    pub certificate_pem: String,
    pub key_pem: String,
}

impl Identity {
    pub fn new() -> Self {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).expect("two plain names");
        Self { certificate_pem: made.cert.pem(), key_pem: made.signing_key.serialize_pem() }
    }

    /// For a server with this identity.
    pub fn acceptor(&self) -> TlsAcceptor {
        let chain = vec![certificate(self.certificate_pem.as_bytes())];
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).expect("it was made so");
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has both versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("key and certificate belong together");
        TlsAcceptor::from(Arc::new(config))
    }

    /// For a client that trusts this identity, with these protocol versions.
    pub fn connector(&self, versions: &[&'static rustls::SupportedProtocolVersion]) -> TlsConnector {
        trusting(self.certificate_pem.as_bytes(), versions)
    }
}

/// For a client that trusts the certificate in a file.
pub fn connector_for(ca_file: &Path) -> TlsConnector {
    let pem = std::fs::read(ca_file).unwrap_or_else(|error| panic!("{}: {error}", ca_file.display()));
    trusting(&pem, rustls::ALL_VERSIONS)
}

fn trusting(pem: &[u8], versions: &[&'static rustls::SupportedProtocolVersion]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(pem)).expect("it is a certificate");
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("the provider has the versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

pub fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a name")
}

fn certificate(pem: &[u8]) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem).expect("it was made so")
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
