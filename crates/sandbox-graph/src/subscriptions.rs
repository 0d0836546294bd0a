//! Subscriptions to changes (graph.md 6.1).

use http::{Request as HttpRequest, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::{
    mailbox::ids::{FolderNumber, IdForm},
    messages::draft::text,
    session::Session,
    web::{
        answer::{Answer, Fault},
        auth::Need,
        filter::Filter,
        path::Path,
        query::Query,
    },
};

/// Outlook subscriptions live that long at most.
const LONGEST: SignedDuration = SignedDuration::from_mins(10_080);

/// A shorter wish is raised to this.
const SHORTEST: SignedDuration = SignedDuration::from_mins(45);

const LONGEST_CLIENT_STATE: usize = 128;

/// How long an endpoint has to answer its validation.
const VALIDATION_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Which kinds of change a subscriber wants to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChangeKinds {
    pub(crate) created: bool,
    pub(crate) updated: bool,
    pub(crate) deleted: bool,
}

impl ChangeKinds {
    fn read(text: &str) -> Option<Self> {
        let mut kinds = Self { created: false, updated: false, deleted: false };
        for name in text.split(',') {
            match name.trim().to_ascii_lowercase().as_str() {
                "created" => kinds.created = true,
                "updated" => kinds.updated = true,
                "deleted" => kinds.deleted = true,
                _ => return None,
            }
        }
        Some(kinds)
    }
}

/// A subscription.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) id: Uuid,
    pub(crate) app_id: Uuid,
    pub(crate) creator_id: Option<Uuid>,
    pub(crate) user: Uuid,
    /// The whole mailbox when absent.
    pub(crate) folder: Option<FolderNumber>,
    pub(crate) filter: Option<Filter>,
    pub(crate) resource: String,
    pub(crate) kinds: ChangeKinds,
    change_type: String,
    pub(crate) notification_url: Url,
    pub(crate) lifecycle_url: Option<Url>,
    pub(crate) client_state: Option<String>,
    pub(crate) expires: Timestamp,
    pub(crate) form: IdForm,
    /// When the next `reauthorizationRequired` is due.
    pub(crate) reminder: Timestamp,
}

impl Subscription {
    /// Sets a new end, and when the subscriber is to be reminded of it: when a quarter of the life is
    /// left, at most three hours.
    pub(crate) fn renew(&mut self, expires: Timestamp, now: Timestamp) {
        self.expires = expires;
        let life = now.duration_until(expires);
        let notice = (life / 4).min(SignedDuration::from_mins(180));
        self.reminder = expires.checked_sub(notice).unwrap_or(expires);
    }

    pub(crate) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "applicationId": self.app_id,
            "changeType": self.change_type,
            "clientState": self.client_state,
            "creatorId": self.creator_id,
            "expirationDateTime": self.expires.to_string(),
            "includeResourceData": null,
            "latestSupportedTlsVersion": "v1_2",
            "lifecycleNotificationUrl": self.lifecycle_url,
            "notificationQueryOptions": null,
            "notificationUrl": self.notification_url,
            "notificationUrlAppId": null,
            "encryptionCertificate": null,
            "encryptionCertificateId": null,
            "resource": self.resource,
        })
    }
}

impl Session<'_> {
    /// The first half of `POST /subscriptions`: everything except asking the endpoint.
    pub(crate) fn prepare_subscription(&mut self) -> Result<Subscription, Fault> {
        let json = self.request.json()?;
        let resource = required(&json, "resource")?;
        let change_type = required(&json, "changeType")?;
        let kinds = ChangeKinds::read(&change_type).ok_or_else(|| refused("changeType is not valid."))?;
        let notification_url = self.endpoint(&required(&json, "notificationUrl")?)?;
        let lifecycle_url =
            text(&json, "lifecycleNotificationUrl")?.map(|url| self.endpoint(&url)).transpose()?;
        let client_state = text(&json, "clientState")?;
        if client_state.as_ref().is_some_and(|state| state.chars().count() > LONGEST_CLIENT_STATE) {
            return Err(refused("clientState exceeds the maximum length of 128 characters."));
        }
        if json.get("includeResourceData").and_then(Value::as_bool).unwrap_or(false) {
            return Err(Fault::new(
                StatusCode::NOT_IMPLEMENTED,
                "NotImplemented",
                "The sandbox does not send resource data with notifications.",
            ));
        }
        let expires = self.expiry(&json)?;
        let (user, folder, filter) = self.subscribed_resource(&resource)?;
        let mut subscription = Subscription {
            id: self.tenant.dice.uuid(),
            app_id: self.caller.app_id,
            creator_id: self.caller.object_id,
            user,
            folder,
            filter,
            resource,
            kinds,
            change_type,
            notification_url,
            lifecycle_url,
            client_state,
            expires,
            form: self.request.prefer.id_form,
            reminder: expires,
        };
        subscription.renew(expires, self.now);
        let limit = self.state.options.notifications.subscriptions_per_mailbox;
        self.state.notifications.keep_up(self.now, self.tenant);
        self.state.notifications.require_room(&subscription, limit)?;
        Ok(subscription)
    }

    /// The second half, once the endpoint has answered.
    pub(crate) fn store_subscription(&mut self, subscription: Subscription) -> Result<Answer, Fault> {
        let limit = self.state.options.notifications.subscriptions_per_mailbox;
        self.state.notifications.require_room(&subscription, limit)?;
        let body = subscription.render();
        self.state.notifications.subscribe(subscription);
        Ok(Answer::created(self.with_context("subscriptions/$entity", body)))
    }

    /// `GET /subscriptions`.
    pub(crate) fn list_subscriptions(&mut self) -> Answer {
        let app = self.caller.app_id;
        let own = self.state.notifications.subscriptions().filter(|subscription| subscription.app_id == app);
        let value: Value = own.map(Subscription::render).collect();
        Answer::ok(self.with_context("subscriptions", json!({"value": value})))
    }

    /// `GET /subscriptions/{id}`.
    pub(crate) fn get_subscription(&mut self) -> Result<Answer, Fault> {
        let body = self.own_subscription()?.render();
        Ok(Answer::ok(self.with_context("subscriptions/$entity", body)))
    }

    /// `PATCH /subscriptions/{id}`: a new end.
    pub(crate) fn renew_subscription(&mut self) -> Result<Answer, Fault> {
        let json = self.request.json()?;
        let expires = self.expiry(&json)?;
        let now = self.now;
        let subscription = self.own_subscription()?;
        subscription.renew(expires, now);
        let body = subscription.render();
        Ok(Answer::ok(self.with_context("subscriptions/$entity", body)))
    }

    /// `POST /subscriptions/{id}/reauthorize`.
    pub(crate) fn reauthorize_subscription(&mut self) -> Result<Answer, Fault> {
        let now = self.now;
        let subscription = self.own_subscription()?;
        let expires = subscription.expires;
        subscription.renew(expires, now);
        // Reminded again only towards the end of what is left.
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    /// `DELETE /subscriptions/{id}`.
    pub(crate) fn delete_subscription(&mut self) -> Result<Answer, Fault> {
        let id = self.own_subscription()?.id;
        self.state.notifications.unsubscribe(id);
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    fn own_subscription(&mut self) -> Result<&mut Subscription, Fault> {
        let app = self.caller.app_id;
        let text = self.request.path.text(1);
        let found = Uuid::parse_str(text).ok().and_then(|id| self.state.notifications.find(id, self.now));
        found
            .filter(|subscription| subscription.app_id == app)
            .ok_or_else(|| Fault::new(StatusCode::NOT_FOUND, "ResourceNotFound", "The object was not found."))
    }

    fn endpoint(&self, text: &str) -> Result<Url, Fault> {
        let url = Url::parse(text).map_err(|_| refused("The notification url is not valid."))?;
        if url.scheme() != "https" && self.state.options.notifications.require_https {
            return Err(refused("The notification url must use the https scheme."));
        }
        Ok(url)
    }

    fn expiry(&self, json: &Value) -> Result<Timestamp, Fault> {
        let wanted: Timestamp = required(json, "expirationDateTime")?
            .parse()
            .map_err(|_| refused("expirationDateTime is not a valid instant."))?;
        let life = self.now.duration_until(wanted);
        if life <= SignedDuration::ZERO {
            return Err(refused("Subscription expiration must be in the future."));
        }
        if life > LONGEST {
            return Err(refused("Subscription expiration can only be 10080 minutes in the future."));
        }
        Ok(wanted.max(self.now.checked_add(SHORTEST).unwrap_or(wanted)))
    }

    fn subscribed_resource(
        &mut self,
        resource: &str,
    ) -> Result<(Uuid, Option<FolderNumber>, Option<Filter>), Fault> {
        let unsupported = || refused("The resource is not supported for change notifications.");
        let relative = resource.trim_start_matches('/');
        let url = Url::parse(&format!("https://graph.invalid/v1.0/{relative}")).map_err(|_| unsupported())?;
        let path = Path::read(url.path()).ok_or_else(unsupported)?;
        let filter = Query::read(&url).get("filter").map(Filter::parse).transpose()?;
        let user = match path.names().as_slice() {
            ["users", _, "messages"] | ["users", _, "mailfolders", _, "messages"] => {
                self.owner_of(path.text(1), Need::Subscribe)?
            }
            _ => return Err(unsupported()),
        };
        let folder = (path.len() == 5).then(|| self.find_folder(user, path.text(3))).transpose()?;
        Ok((user, folder, filter))
    }
}

/// The question that an endpoint has to answer, and the answer.
pub(crate) struct Validation {
    pub(crate) request: HttpRequest<bytes::Bytes>,
    pub(crate) token: String,
}

impl Validation {
    pub(crate) fn of(url: &Url, request_id: Uuid) -> Option<Self> {
        let token = format!(
            "Validation: Testing client application reachability for subscription Request-Id: {request_id}"
        );
        let mut url = url.clone();
        url.query_pairs_mut().append_pair("validationToken", &token);
        let request = HttpRequest::post(url.as_str())
            .header("content-type", "text/plain; charset=utf-8")
            .body(bytes::Bytes::new())
            .ok()?;
        Some(Self { request, token })
    }

    pub(crate) async fn ask(self, outbound: &dyn hybridge_sandbox_kit::Outbound) -> Result<(), Fault> {
        let answer = tokio::time::timeout(VALIDATION_TIMEOUT, outbound.send(self.request)).await;
        let accepted = match answer {
            Ok(Ok(answer)) => {
                let content_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok());
                answer.status() == StatusCode::OK
                    && content_type.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/plain"))
                    && answer.body().as_ref() == self.token.as_bytes()
            }
            Ok(Err(_)) | Err(_) => false,
        };
        accepted.then_some(()).ok_or_else(validation_failed)
    }
}

pub(crate) fn validation_failed() -> Fault {
    Fault::bad_request(
        "InvalidRequest",
        "Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request.",
    )
}

fn required(json: &Value, name: &str) -> Result<String, Fault> {
    text(json, name)?
        .filter(|value| !value.is_empty())
        .ok_or_else(|| refused(&format!("{name} is required.")))
}

fn refused(message: &str) -> Fault {
    Fault::bad_request("InvalidRequest", message)
}
