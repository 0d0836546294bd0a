//! Which certificate a server shows: looked at, not trusted.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;
use url::Url;

const PATIENCE: Duration = Duration::from_secs(15);

/// The certificate (DER) that the server of an `https` address shows. It is not judged, so that one that has ended or is
/// not trusted can be seen too; nothing is sent over the connection.
///
/// # Errors
/// What stands in the way, in words.
pub async fn peer_certificate(url: &Url) -> Result<Vec<u8>, String> {
    let host = url.host_str().ok_or("the address has no host")?.trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().ok_or("the address has no port")?;
    let looked = async {
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| error.to_string())?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let looker = Arc::new(Looker { provider: provider.clone(), seen: Mutex::default() });
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(looker.clone())
            .with_no_client_auth();
        let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
        let connected = TlsConnector::from(Arc::new(tls)).connect(name, stream).await;
        let seen = looker.seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        seen.ok_or_else(|| {
            connected.err().map_or_else(|| "no certificate was shown".to_owned(), |error| error.to_string())
        })
    };
    timeout(PATIENCE, looked).await.map_err(|_| "no answer".to_owned())?
}

/// Keeps what it sees, and takes everything.
#[derive(Debug)]
struct Looker {
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<Vec<u8>>>,
}

impl ServerCertVerifier for Looker {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _issuers: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(certificate.to_vec());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
