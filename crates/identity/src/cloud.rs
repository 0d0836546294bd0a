use std::{fmt, str::FromStr};

use url::Url;
use uuid::Uuid;

/// Which Microsoft cloud the tenant lives in (graph.md 1.1). Tokens of one are worth nothing in another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Cloud {
    /// The worldwide cloud, and Microsoft 365 GCC.
    #[default]
    Global,
    /// US Government L4: GCC High.
    UsGovernmentL4,
    /// US Government L5: the Department of Defense.
    UsGovernmentL5,
    /// China, operated by 21Vianet.
    China,
    /// Addresses given one by one: the sandbox.
    Custom {
        /// Where tokens are issued: scheme, host and port.
        authority: Url,
        /// Microsoft Graph: scheme, host and port, without version.
        graph_root: Url,
        /// The scope to ask for: a resource identifier with `/.default`.
        scope: String,
    },
}

impl Cloud {
    /// The clouds that have a name.
    pub const NAMED: [Self; 4] = [Self::Global, Self::UsGovernmentL4, Self::UsGovernmentL5, Self::China];

    /// The name, as written in a configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::UsGovernmentL4 => "us-government-l4",
            Self::UsGovernmentL5 => "us-government-l5",
            Self::China => "china",
            Self::Custom { .. } => "custom",
        }
    }

    /// Where tokens are issued, such as `https://login.microsoftonline.com`, without a slash at the end.
    pub fn authority(&self) -> &str {
        match self {
            Self::Global => "https://login.microsoftonline.com",
            Self::UsGovernmentL4 | Self::UsGovernmentL5 => "https://login.microsoftonline.us",
            Self::China => "https://login.partner.microsoftonline.cn",
            Self::Custom { authority, .. } => authority.as_str().trim_end_matches('/'),
        }
    }

    /// Microsoft Graph, such as `https://graph.microsoft.com`, without version and slash at the end.
    pub fn graph_root(&self) -> &str {
        match self {
            Self::Global => "https://graph.microsoft.com",
            Self::UsGovernmentL4 => "https://graph.microsoft.us",
            Self::UsGovernmentL5 => "https://dod-graph.microsoft.us",
            Self::China => "https://microsoftgraph.chinacloudapi.cn",
            Self::Custom { graph_root, .. } => graph_root.as_str().trim_end_matches('/'),
        }
    }

    /// The scope that stands for "all that was consented for Microsoft Graph".
    pub fn scope(&self) -> String {
        match self {
            Self::Custom { scope, .. } => scope.clone(),
            named => format!("{}/.default", named.graph_root()),
        }
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// No cloud has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no cloud {0:?}; the clouds are global, us-government-l4, us-government-l5 and china")]
pub struct UnknownCloud(pub String);

impl FromStr for Cloud {
    type Err = UnknownCloud;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::NAMED
            .into_iter()
            .find(|cloud| cloud.name() == text)
            .ok_or_else(|| UnknownCloud(text.to_owned()))
    }
}

/// An Entra ID tenant, by its id or one of its verified domains.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Tenant {
    /// The directory (tenant) id.
    Id(Uuid),
    /// A verified domain, in lower case.
    Domain(String),
}

impl fmt::Display for Tenant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(formatter, "{id}"),
            Self::Domain(domain) => formatter.write_str(domain),
        }
    }
}

/// A text that can't name a tenant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no tenant: give its id (a GUID) or one of its domains, such as contoso.onmicrosoft.com")]
pub struct UnusableTenant(pub String);

impl FromStr for Tenant {
    type Err = UnusableTenant;

    // `common`, `organizations` and `consumers` have no dot, and are refused for this grant (graph.md 1.2).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(id) = Uuid::parse_str(text) {
            return Ok(Self::Id(id));
        }
        let label = |label: &str| {
            !label.is_empty() && label.chars().all(|char| char.is_ascii_alphanumeric() || char == '-')
        };
        if text.contains('.') && text.split('.').all(label) {
            return Ok(Self::Domain(text.to_ascii_lowercase()));
        }
        Err(UnusableTenant(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_cloud_is_found_by_its_name_and_has_addresses() {
        for cloud in Cloud::NAMED {
            assert_eq!(cloud.name().parse(), Ok(cloud.clone()));
            for address in [cloud.authority(), cloud.graph_root()] {
                let url = Url::parse(address).unwrap();
                assert_eq!((url.scheme(), url.path(), address.ends_with('/')), ("https", "/", false));
            }
            assert_eq!(cloud.scope(), format!("{}/.default", cloud.graph_root()));
        }
        assert!("germany".parse::<Cloud>().is_err());
    }

    #[test]
    fn a_custom_cloud_gives_its_own_addresses_in_the_same_form() {
        let cloud = Cloud::Custom {
            authority: "https://localhost:8443/".parse().unwrap(),
            graph_root: "https://localhost:8444/".parse().unwrap(),
            scope: "https://graph.microsoft.com/.default".to_owned(),
        };
        assert_eq!(cloud.authority(), "https://localhost:8443");
        assert_eq!(cloud.graph_root(), "https://localhost:8444");
        assert_eq!(cloud.scope(), "https://graph.microsoft.com/.default");
    }

    #[test]
    fn a_tenant_is_a_guid_or_a_domain_and_nothing_else() {
        let id = "3F2504E0-4F89-41D3-9A0C-0305E82C3301";
        assert_eq!(id.parse(), Ok(Tenant::Id(Uuid::parse_str(id).unwrap())));
        assert_eq!("Contoso.com".parse(), Ok(Tenant::Domain("contoso.com".to_owned())));
        for text in ["common", "organizations", "", ".", "contoso.com/x", "contoso..com", "a b.com"] {
            assert_eq!(text.parse::<Tenant>(), Err(UnusableTenant(text.to_owned())));
        }
    }
}
