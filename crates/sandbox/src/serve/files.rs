use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{ServeError, authority::Authority};
use crate::world::Sandbox;

/// What was written.
pub(super) struct Files {
    pub(super) ca: PathBuf,
    pub(super) pfx: PathBuf,
    pub(super) pfx_password: PathBuf,
    pub(super) pem: PathBuf,
    pub(super) password: PathBuf,
    pub(super) server_password: PathBuf,
    pub(super) administrator_password: PathBuf,
}

/// Writes certificates and secrets; files of an earlier start are replaced.
pub(super) fn write(folder: &Path, authority: &Authority, sandbox: &Sandbox) -> Result<Files, ServeError> {
    let app = sandbox.app();
    fs::create_dir_all(folder).map_err(|source| ServeError::Write { path: folder.to_path_buf(), source })?;
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        write_private(&path, bytes)
            .map(|()| path.clone())
            .map_err(|source| ServeError::Write { path, source })
    };
    let pem = format!("{}{}", app.certificate_pem, app.private_key_pem);
    Ok(Files {
        ca: put("ca.pem", authority.certificate_pem().as_bytes())?,
        pfx: put("hybridge.pfx", &app.pfx)?,
        pfx_password: put("pfx-password", app.pfx_password.as_bytes())?,
        pem: put("hybridge.pem", pem.as_bytes())?,
        password: put("service-account-password", app.password.as_bytes())?,
        server_password: put("server-password", sandbox.server_account().1.as_bytes())?,
        administrator_password: put("administrator-password", app.administrator_password.as_bytes())?,
    })
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)?.write_all(bytes)
}
