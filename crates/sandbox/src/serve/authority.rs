use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use super::ServeError;

/// The sandbox's own certificate authority, made anew at each start.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Result<Self, ServeError> {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        parameters
            .distinguished_name
            .push(DnType::CommonName, "Hybridge sandbox authority (this machine only)");
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        CertifiedIssuer::self_signed(parameters, key).map(Self).map_err(|error| failed(&error))
    }

    pub(super) fn certificate_pem(&self) -> String {
        self.0.pem()
    }

    /// TLS for `localhost`, `127.0.0.1` and `::1`.
    pub(super) fn server_config(&self) -> Result<ServerConfig, ServeError> {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let parameters = CertificateParams::new(names).map_err(|error| failed(&error))?;
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let certificate = parameters.signed_by(&key, &self.0).map_err(|error| failed(&error))?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|error| ServeError::Certificate(error.to_string()))?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone(), self.0.der().clone()], key)
            .map_err(|error| ServeError::Certificate(error.to_string()))
    }
}

fn failed(error: &rcgen::Error) -> ServeError {
    ServeError::Certificate(error.to_string())
}
