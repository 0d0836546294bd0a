//! NTLM: three messages that authenticate one connection (MS-NTHT, MS-NLMP).

use secrecy::{ExposeSecret, SecretString};
use sspi::{
    AuthIdentity, AuthIdentityBuffers, BufferType, ClientRequestFlags, CredentialUse, DataRepresentation,
    Ntlm, SecurityBuffer, Sspi, SspiImpl, ntlm::NtlmConfig,
};

use super::WindowsUser;

/// One handshake.
pub(super) struct Handshake {
    package: Ntlm,
    credentials: Option<AuthIdentityBuffers>,
    target: String,
}

impl Handshake {
    pub(super) fn new(
        user: &WindowsUser,
        password: &SecretString,
        target: &str,
        machine: &str,
    ) -> Result<Self, String> {
        let username = user.for_ntlm().ok_or("the user's name can't be used")?;
        let identity = AuthIdentity { username, password: password.expose_secret().to_owned().into() };
        let mut package = Ntlm::with_config(NtlmConfig::new(machine.to_owned()));
        let credentials = package
            .acquire_credentials_handle()
            .with_credential_use(CredentialUse::Outbound)
            .with_auth_data(&identity)
            .execute(&mut package)
            .map_err(|error| error.description)?
            .credentials_handle;
        Ok(Self { package, credentials, target: target.to_owned() })
    }

    /// The next message: the first one without input, the third one from the server's second.
    pub(super) fn step(&mut self, received: Vec<u8>) -> Result<Vec<u8>, String> {
        let mut input = [SecurityBuffer::new(received, BufferType::Token)];
        let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
        let mut builder = self
            .package
            .initialize_security_context()
            .with_credentials_handle(&mut self.credentials)
            .with_context_requirements(ClientRequestFlags::empty())
            .with_target_data_representation(DataRepresentation::Native)
            .with_target_name(&self.target)
            .with_input(&mut input)
            .with_output(&mut output);
        self.package
            .initialize_security_context_impl(&mut builder)
            .and_then(|mut context| context.resolve_to_result())
            .map_err(|error| error.description)?;
        let [token] = output;
        Ok(token.buffer)
    }
}
