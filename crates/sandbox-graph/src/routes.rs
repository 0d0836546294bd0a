//! Which operation a method and a path mean.

use http::Method;

use crate::{
    messages::reply::ReplyKind,
    session::Session,
    web::answer::{Answer, Fault},
};

/// Words of paths; everything else in a path is a key.
const WORDS: [&str; 32] = [
    "$batch",
    "$value",
    "attachments",
    "childfolders",
    "copy",
    "createforward",
    "createreply",
    "createreplyall",
    "createuploadsession",
    "delta",
    "forward",
    "mailboxsettings",
    "mailfolders",
    "messages",
    "move",
    "organization",
    "permanentdelete",
    "reauthorize",
    "reply",
    "replyall",
    "send",
    "sendmail",
    "subscriptions",
    "users",
    "inbox",
    "sentitems",
    "deleteditems",
    "drafts",
    "archive",
    "junkemail",
    "lists",
    "todo",
];

/// A path without its keys, for counting.
pub(crate) fn route_name(method: &Method, names: &[&str]) -> String {
    let words: Vec<_> = names.iter().copied().filter(|name| WORDS.contains(name)).collect();
    format!("{method} {}", words.join("/"))
}

impl Session<'_> {
    /// Does what the request asks for.
    pub(crate) fn dispatch(&mut self) -> Result<Answer, Fault> {
        let method = self.request.method.clone();
        let path = self.request.path.clone();
        match (&method, path.names().as_slice()) {
            (&Method::GET, ["users"]) => self.list_users(),
            (&Method::GET, ["users", _]) => self.get_user(),
            (&Method::GET, ["organization"]) => self.list_organization(),
            (_, ["users" | "organization"] | ["users", _]) => Err(Fault::method_not_allowed()),
            (_, ["subscriptions", rest @ ..]) => self.subscription_routes(&method, rest),
            (_, ["users", _, rest @ ..]) => self.user_routes(&method, rest),
            (_, names) => Err(Fault::no_such_segment(names.first().copied().unwrap_or_default())),
        }
    }

    fn subscription_routes(&mut self, method: &Method, rest: &[&str]) -> Result<Answer, Fault> {
        match (method, rest) {
            (&Method::GET, []) => Ok(self.list_subscriptions()),
            (&Method::GET, [_]) => self.get_subscription(),
            (&Method::PATCH, [_]) => self.renew_subscription(),
            (&Method::DELETE, [_]) => self.delete_subscription(),
            (&Method::POST, [_, "reauthorize"]) => self.reauthorize_subscription(),
            (_, [] | [_] | [_, "reauthorize"]) => Err(Fault::method_not_allowed()),
            (_, [_, other, ..]) => Err(Fault::no_such_segment(other)),
        }
    }

    /// Below `/users/{user}`.
    fn user_routes(&mut self, method: &Method, rest: &[&str]) -> Result<Answer, Fault> {
        match (method, rest) {
            (&Method::POST, ["sendmail"]) => self.send_mail(),
            (&Method::GET, ["mailboxsettings"]) => self.get_mailbox_settings(),
            (&Method::GET, ["todo", "lists"]) => self.list_task_lists(),
            (_, [] | ["sendmail" | "mailboxsettings"] | ["todo", "lists"]) => {
                Err(Fault::method_not_allowed())
            }
            (_, ["messages", rest @ ..]) => self.message_routes(method, None, 3, rest),
            (_, ["mailfolders", rest @ ..]) => self.folder_routes(method, 3, rest),
            (_, [other, ..]) => Err(Fault::no_such_segment(other)),
        }
    }

    /// Below a collection of folders; its first key would stand at `position` in the path.
    fn folder_routes(&mut self, method: &Method, position: usize, rest: &[&str]) -> Result<Answer, Fault> {
        let folder = self.request.path.text(position).to_owned();
        let parent = (position > 3).then(|| self.request.path.text(position - 2).to_owned());
        match (method, rest) {
            (&Method::GET, []) => self.list_folders(parent.as_deref()),
            (&Method::POST, []) => self.create_folder(parent.as_deref()),
            (&Method::GET, ["delta"]) if position == 3 => self.folders_delta(),
            (&Method::GET, [_]) => self.get_folder(&folder),
            (&Method::PATCH, [_]) => self.rename_folder(&folder),
            (&Method::DELETE, [_]) | (&Method::POST, [_, "permanentdelete"]) => self.delete_folder(&folder),
            (&Method::POST, [_, "move"]) => self.move_folder(&folder),
            (_, [_, "childfolders", rest @ ..]) => self.folder_routes(method, position + 2, rest),
            (&Method::GET, [_, "messages", "delta"]) => self.messages_delta(&folder),
            (_, [_, "messages", rest @ ..]) => self.message_routes(method, Some(&folder), position + 2, rest),
            (_, [] | [_] | [_, "permanentdelete" | "move"]) => Err(Fault::method_not_allowed()),
            (_, [_, other, ..]) => Err(Fault::no_such_segment(other)),
        }
    }

    /// Below a collection of messages; the key of a message would stand at `position`.
    fn message_routes(
        &mut self,
        method: &Method,
        folder: Option<&str>,
        position: usize,
        rest: &[&str],
    ) -> Result<Answer, Fault> {
        match (method, rest) {
            (&Method::GET, []) => self.list_messages(folder),
            (&Method::POST, []) => self.create_message(folder),
            (&Method::GET, [_]) => self.get_message(position),
            (&Method::PATCH, [_]) => self.update_message(position),
            (&Method::DELETE, [_]) => self.delete_message(position),
            (&Method::GET, [_, "$value"]) => self.get_mime(position),
            (&Method::PUT, [_, "$value"]) => self.put_mime(position),
            (_, [_, "attachments", rest @ ..]) => self.attachment_routes(method, position, rest),
            (&Method::POST, [_, action]) => self.message_action(action, position),
            (_, [] | [_] | [_, _]) => Err(Fault::method_not_allowed()),
            (_, [_, _, other, ..]) => Err(Fault::no_such_segment(other)),
        }
    }

    fn message_action(&mut self, action: &str, position: usize) -> Result<Answer, Fault> {
        match action {
            "move" => self.move_message(position),
            "copy" => self.copy_message(position),
            "permanentdelete" => self.purge_message(position),
            "send" => self.send_draft(position),
            "reply" => self.send_reply(position, ReplyKind::Reply),
            "replyall" => self.send_reply(position, ReplyKind::ReplyAll),
            "forward" => self.send_reply(position, ReplyKind::Forward),
            "createreply" => self.create_reply(position, ReplyKind::Reply),
            "createreplyall" => self.create_reply(position, ReplyKind::ReplyAll),
            "createforward" => self.create_reply(position, ReplyKind::Forward),
            other => Err(Fault::no_such_segment(other)),
        }
    }

    fn attachment_routes(
        &mut self,
        method: &Method,
        position: usize,
        rest: &[&str],
    ) -> Result<Answer, Fault> {
        match (method, rest) {
            (&Method::GET, []) => self.list_attachments(position),
            (&Method::POST, []) => self.add_attachment(position),
            (&Method::POST, ["createuploadsession"]) => self.create_upload(position),
            (&Method::GET, [_]) => self.get_attachment(position),
            (&Method::DELETE, [_]) => self.delete_attachment(position),
            (&Method::GET, [_, "$value"]) => self.get_attachment_content(position),
            (_, [] | [_] | [_, "$value"]) => Err(Fault::method_not_allowed()),
            (_, [_, other, ..]) => Err(Fault::no_such_segment(other)),
        }
    }
}
