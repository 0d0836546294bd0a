use serde::{Deserialize, Serialize};
use url::Url;

/// The faces that the sandbox shows to the world, each on an origin of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Face {
    /// Microsoft Entra ID (`login.microsoftonline.com`).
    Entra,
    /// Microsoft Graph (`graph.microsoft.com`).
    Graph,
    /// The organization's AD FS server.
    Adfs,
    /// The Dynamics organization (Web API and SOAP).
    Organization,
    /// The sandbox's own control API (no counterpart in the real world).
    Control,
}

/// Where each face is reached, for example `https://localhost:43110/`. Always with a trailing slash.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Origins {
    /// Entra ID.
    pub entra: Url,
    /// Microsoft Graph, without the version segment.
    pub graph: Url,
    /// AD FS.
    pub adfs: Url,
    /// The organization's root (its address in the IFD topology has no organization segment).
    pub organization: Url,
    /// The control API.
    pub control: Url,
}

impl Origins {
    /// The origin of a face.
    pub fn of(&self, face: Face) -> &Url {
        match face {
            Face::Entra => &self.entra,
            Face::Graph => &self.graph,
            Face::Adfs => &self.adfs,
            Face::Organization => &self.organization,
            Face::Control => &self.control,
        }
    }

    /// The face that answers at a URL's scheme, host and port.
    pub fn face_of(&self, url: &Url) -> Option<Face> {
        [Face::Entra, Face::Graph, Face::Adfs, Face::Organization, Face::Control]
            .into_iter()
            .find(|face| self.of(*face).origin() == url.origin())
    }
}
