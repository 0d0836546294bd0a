//! Mail folders (graph.md 3.2).

use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    mailbox::{
        Mailbox,
        folder::{FolderView, ROOT},
        ids::FolderNumber,
    },
    messages::draft::{boolean, invalid, text},
    session::Session,
    web::{
        answer::{Answer, Fault},
        auth::Need,
        filter::Filter,
        view::View,
    },
};

pub(crate) use crate::mailbox::FolderError;

const DEFAULT_PAGE: usize = 10;

impl Session<'_> {
    /// `GET …/mailFolders` and `…/childFolders`.
    pub(crate) fn list_folders(&mut self, parent: Option<&str>) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::ReadBasic)?;
        let parent = parent.map(|name| self.find_folder(user, name)).transpose()?.unwrap_or(ROOT);
        let query = self.request.query.clone();
        let view = View { select: View::read_select(&query), ..View::default() };
        let hidden =
            query.get("includehiddenfolders").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let filter = query.get("filter").map(Filter::parse).transpose()?;
        let top = query.number("top", 1, 1000)?.or(self.request.prefer.page_size).unwrap_or(DEFAULT_PAGE);
        let skip = query.number("skip", 0, usize::MAX)?.unwrap_or(0);
        let mailbox = self.mailbox(user);
        let all: Vec<Value> = mailbox
            .child_folders(parent, hidden)
            .filter_map(|number| mailbox.folder(number))
            .filter(|folder| {
                let seen =
                    filter.as_ref().map(|filter| filter.admits(&render(mailbox, folder, &View::default())));
                seen.unwrap_or(true)
            })
            .map(|folder| render(mailbox, &folder, &view))
            .collect();
        let total = all.len();
        let page: Vec<Value> = all.into_iter().skip(skip).take(top).collect();
        let shown = skip + page.len();
        let mut body = json!({"value": page});
        if shown < total
            && let Some(object) = body.as_object_mut()
        {
            object.insert("@odata.nextLink".to_owned(), json!(self.next_page(shown)));
        }
        Ok(Answer::ok(self.with_context(&format!("users('{user}')/mailFolders"), body)))
    }

    /// `GET …/mailFolders/{f}`.
    pub(crate) fn get_folder(&mut self, name: &str) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::ReadBasic)?;
        let number = self.find_folder(user, name)?;
        self.folder_answer(user, number, StatusCode::OK)
    }

    /// `POST …/mailFolders` and `…/childFolders`.
    pub(crate) fn create_folder(&mut self, parent: Option<&str>) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::Write)?;
        let parent = parent.map(|name| self.find_folder(user, name)).transpose()?.unwrap_or(ROOT);
        let json = self.request.json()?;
        let name = display_name(&json)?;
        let hidden = boolean(&json, "isHidden")?.unwrap_or(false);
        let now = self.now;
        let number = self.mailbox(user).create_folder(parent, &name, hidden, now).map_err(Fault::from)?;
        self.folder_answer(user, number, StatusCode::CREATED)
    }

    /// `PATCH …/mailFolders/{f}`.
    pub(crate) fn rename_folder(&mut self, name: &str) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::Write)?;
        let number = self.find_folder(user, name)?;
        let name = display_name(&self.request.json()?)?;
        let now = self.now;
        self.mailbox(user).rename_folder(number, &name, now)?;
        self.folder_answer(user, number, StatusCode::OK)
    }

    /// `DELETE …/mailFolders/{f}` and `…/permanentDelete`.
    pub(crate) fn delete_folder(&mut self, name: &str) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::Write)?;
        let number = self.find_folder(user, name)?;
        let now = self.now;
        self.mailbox(user).delete_folder(number, now)?;
        self.publish(user);
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    /// `POST …/mailFolders/{f}/move`.
    pub(crate) fn move_folder(&mut self, name: &str) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::Write)?;
        let number = self.find_folder(user, name)?;
        let json = self.request.json()?;
        let parent = text(&json, "destinationId")?.ok_or_else(|| invalid("destinationId"))?;
        let parent = self.find_folder(user, &parent)?;
        let now = self.now;
        self.mailbox(user).move_folder(number, parent, now)?;
        self.folder_answer(user, number, StatusCode::CREATED)
    }

    fn folder_answer(
        &mut self,
        user: Uuid,
        number: FolderNumber,
        status: StatusCode,
    ) -> Result<Answer, Fault> {
        let view = View { select: View::read_select(&self.request.query), ..View::default() };
        let mailbox = self.mailbox(user);
        let folder = mailbox.folder(number).ok_or_else(Fault::item_not_found)?;
        let body = render(mailbox, &folder, &view);
        Ok(Answer::json(status, self.with_context(&format!("users('{user}')/mailFolders/$entity"), body)))
    }
}

/// What clients see of a folder.
pub(crate) fn render(mailbox: &Mailbox, folder: &FolderView, view: &View) -> Value {
    let parent = folder.parent.unwrap_or(folder.number);
    let properties = [
        ("displayName", json!(folder.display_name)),
        ("parentFolderId", json!(mailbox.codec.folder(parent))),
        ("childFolderCount", json!(folder.child_folders)),
        ("unreadItemCount", json!(folder.unread_items)),
        ("totalItemCount", json!(folder.total_items)),
        ("isHidden", json!(folder.hidden)),
    ];
    let mut object: Map<String, Value> =
        properties.into_iter().filter(|(name, _)| view.shows(name)).map(|(n, v)| (n.to_owned(), v)).collect();
    object.insert("id".to_owned(), json!(mailbox.codec.folder(folder.number)));
    Value::Object(object)
}

fn display_name(json: &Value) -> Result<String, Fault> {
    text(json, "displayName")?.filter(|name| !name.trim().is_empty()).ok_or_else(|| invalid("displayName"))
}

impl From<FolderError> for Fault {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::Exists => Self::new(
                StatusCode::CONFLICT,
                "ErrorFolderExists",
                "A folder with the specified name already exists.",
            ),
            FolderError::Protected => Self::new(
                StatusCode::FORBIDDEN,
                "ErrorDeleteDistinguishedFolder",
                "Distinguished folders cannot be changed in this way.",
            ),
            FolderError::NotFound => Self::item_not_found(),
        }
    }
}
