//! Which faults and features a seed has. Each is on or off by itself: a fault that always fires hides the
//! others.

use hybridge_sandbox::{
    Dice,
    faults::Weather,
    graph::{GraphOptions, MailboxState},
    organization::{ExtraProperties, OrganizationOptions, PoisonPlugin},
};

/// What is on in a seed.
#[derive(Debug)]
pub(crate) struct Swarm {
    pub(crate) weather: Weather,
    pub(crate) organization: OrganizationOptions,
    pub(crate) graph: GraphOptions,
    pub(crate) notifications: bool,
    /// One mailbox is in this state all the time.
    pub(crate) sick: Option<MailboxState>,
    pub(crate) mailboxes: usize,
    pub(crate) messages: usize,
    pub(crate) kills: usize,
    pub(crate) page_size: u32,
    /// The organization is down for a while when the engine starts for the last time.
    pub(crate) late_organization: bool,
    /// A firewall before the organization answers every question about poison with an error of its own.
    pub(crate) unaskable: Option<u16>,
}

/// Subjects with this word are stopped by a plug-in, where one is installed.
pub(crate) const POISON: &str = "poison";

impl Swarm {
    pub(crate) fn of(dice: &Dice) -> Self {
        let mut weather = Weather::CALM;
        let mut maybe = |slot: fn(&mut Weather) -> &mut f64, strength: f64| {
            if dice.chance(0.4) {
                *slot(&mut weather) = strength;
            }
        };
        maybe(|weather| &mut weather.throttle, 0.08);
        maybe(|weather| &mut weather.server_error, 0.06);
        maybe(|weather| &mut weather.cut_before, 0.04);
        maybe(|weather| &mut weather.cut_after, 0.06);
        maybe(|weather| &mut weather.unauthorized, 0.02);
        maybe(|weather| &mut weather.expire_cursor, 0.05);
        maybe(|weather| &mut weather.lose_notification, 0.5);
        maybe(|weather| &mut weather.duplicate_notification, 0.5);
        if dice.chance(0.7) {
            weather.latency_from_ms = 5;
            weather.latency_to_ms = 400;
        }
        let mut organization = OrganizationOptions {
            web_api_email_actions: !dice.chance(0.2),
            takes_attachments: !dice.chance(0.3),
            extra_properties: *dice
                .pick(&[ExtraProperties::Honoured, ExtraProperties::Ignored, ExtraProperties::Refused])
                .unwrap_or(&ExtraProperties::Honoured),
            ..OrganizationOptions::default()
        };
        if dice.chance(0.3) {
            let status = *dice
                .pick(&[http::StatusCode::BAD_REQUEST, http::StatusCode::INTERNAL_SERVER_ERROR])
                .unwrap_or(&http::StatusCode::BAD_REQUEST);
            organization.poison = Some(PoisonPlugin { subject: POISON.to_owned(), status });
        }
        let mut graph = GraphOptions::default();
        graph.notifications.require_https = false;
        if dice.chance(0.4) {
            graph.delta.duplicate = 0.1;
            graph.delta.replay = 0.2;
            graph.delta.empty_page = 0.2;
        }
        Self {
            weather,
            organization,
            graph,
            notifications: dice.chance(0.6),
            sick: dice.chance(0.4).then(|| {
                *dice
                    .pick(&[MailboxState::Unavailable, MailboxState::OutOfScope])
                    .unwrap_or(&MailboxState::Unavailable)
            }),
            mailboxes: 2 + dice.below(5),
            messages: dice.below(40),
            kills: dice.below(6),
            page_size: *dice.pick(&[3, 10, 100]).unwrap_or(&10),
            late_organization: dice.chance(0.3),
            unaskable: dice.chance(0.2).then(|| *dice.pick(&[500, 403, 404]).unwrap_or(&500)),
        }
    }
}
