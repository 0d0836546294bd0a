//! What Hybridge itself needs (setup.md section 4).

mod app_certificate;
mod app_registration;
mod change_notifications;
mod change_tracking;
mod directory_permission;
mod email_channel;
mod exchange_principal;
mod mailbox_group;
mod mailbox_roles;
mod mailbox_scope;
mod organization_sign_in;
mod security_role;
mod service_user;
mod tasks_registration;
mod tenant_wide_access;

use hybridge_odata::Error;

use crate::{Obstacle, Site, Step};

pub(super) use app_certificate::thumbprint;
pub(super) use email_channel::{channel_reading, put_channel_back, set_channel};

pub(super) fn steps() -> Vec<Box<dyn Step>> {
    vec![
        Box::new(security_role::SecurityRoleStep),
        Box::new(service_user::ServiceUser),
        Box::new(organization_sign_in::OrganizationSignIn),
        Box::new(change_tracking::ChangeTracking),
        Box::new(app_registration::AppRegistration),
        Box::new(app_certificate::AppCertificate),
        Box::new(directory_permission::DirectoryPermission),
        Box::new(mailbox_group::MailboxGroup),
        Box::new(exchange_principal::ExchangePrincipal),
        Box::new(mailbox_scope::MailboxScope),
        Box::new(mailbox_roles::MailboxRoles),
        Box::new(tenant_wide_access::TenantWideAccess),
        Box::new(tasks_registration::TasksRegistration),
        Box::new(change_notifications::ChangeNotifications),
        Box::new(email_channel::EmailChannel),
    ]
}

#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
/// A failed call to the directory, with the administrator's roles as the remedy.
pub(super) fn directory(error: Error) -> Obstacle {
    let mut trouble = hybridge_graph::trouble(&error);
    if error.failure().is_some_and(|failure| matches!(failure.status.as_u16(), 401 | 403)) {
        "Sign in with an account that holds the role which the step names, and consent to what Microsoft Graph Command Line \
         Tools ask for."
            .clone_into(&mut trouble.remedy);
    }
    trouble.into()
}

#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
pub(super) fn exchange(error: Error) -> Obstacle {
    crate::exchange::trouble(&error).into()
}

#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
pub(super) fn organization(error: Error) -> Obstacle {
    hybridge_dynamics::trouble(&error).into()
}

#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
/// As Hybridge itself: what Graph says is what a run would hear.
fn own(error: Error) -> Obstacle {
    hybridge_graph::trouble(&error).into()
}

/// A failed call of an administrator of the organization. What the service account is refused where it stands in for
/// one is for a person to mend.
fn administration(site: &Site) -> impl Fn(Error) -> Obstacle {
    let named = site.has_organization_account();
    move |error| {
        let trouble = hybridge_dynamics::trouble(&error);
        let refused = error.failure().is_some_and(|failure| failure.status.as_u16() == 403);
        match (refused, named) {
            (true, true) => Obstacle::refused(
                trouble.what,
                "The account of [connect] organization_account has to be an enabled System Administrator of the organization.",
            ),
            (true, false) => Obstacle::ByHand {
                what: trouble.what,
                how: "Only an administrator may do this: name a System Administrator of the organization in [connect] \
                      organization_account and her password in organization_password, and run this again."
                    .to_owned(),
            },
            (false, _) => Obstacle::Trouble(trouble),
        }
    }
}
