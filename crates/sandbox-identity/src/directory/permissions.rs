//! The app roles of Microsoft Graph that Hybridge has to do with (graph.md 1.8).

use uuid::{Uuid, uuid};

/// Name and id.
pub(crate) const APP_ROLES: [(&str, Uuid); 19] = [
    ("Mail.ReadWrite", uuid!("e2a3a72e-5f79-4c64-b1b1-878b674786c9")),
    ("Mail.Read", uuid!("810c84a8-4a9e-49e6-bf7d-12d183f40d01")),
    ("Mail.ReadBasic.All", uuid!("693c5e45-0940-467d-9b8a-1022fb9d42ef")),
    ("Mail.ReadBasic", uuid!("6be147d2-ea4f-4b5a-a3fa-3eab6f3c140a")),
    ("Mail.Send", uuid!("b633e1c5-b582-4048-a93e-9f11b44c7e96")),
    ("Calendars.ReadWrite", uuid!("ef54d2bf-783f-4e0f-bca1-3210c0444d99")),
    ("Calendars.Read", uuid!("798ee544-9d2d-430c-a058-570e29e34338")),
    ("Contacts.ReadWrite", uuid!("6918b873-d17a-4dc1-b314-35f528134491")),
    ("Contacts.Read", uuid!("089fe4d0-434a-44c5-8827-41ba8a0b17f5")),
    ("Tasks.ReadWrite.All", uuid!("44e666d1-d276-445b-a5fc-8815eeb81d55")),
    ("Tasks.Read.All", uuid!("f10e1f91-74ed-437f-a6fd-d6ae88e26c1f")),
    ("MailboxSettings.ReadWrite", uuid!("6931bccd-447a-43d1-b442-00a195474933")),
    ("User.Read.All", uuid!("df021288-bdef-4463-88db-98f22de89214")),
    ("User.ReadBasic.All", uuid!("97235f07-e226-4f63-ace3-39588e11d3a1")),
    ("Organization.Read.All", uuid!("498476ce-e0fe-48b0-b801-37ba7e2685c6")),
    ("Application.Read.All", uuid!("9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30")),
    ("Application.ReadWrite.OwnedBy", uuid!("18a4783c-866b-4cc7-a460-3d5e5662c884")),
    ("Application.ReadWrite.All", uuid!("1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9")),
    ("AppRoleAssignment.ReadWrite.All", uuid!("06b708a9-e830-4db3-a914-8e69da51d44f")),
];

/// Microsoft Graph's service principal.
pub(crate) const GRAPH_APP: Uuid = uuid!("00000003-0000-0000-c000-000000000000");

pub(crate) fn id_of(name: &str) -> Option<Uuid> {
    APP_ROLES.iter().find(|(known, _)| *known == name).map(|(_, id)| *id)
}

pub(crate) fn name_of(id: Uuid) -> Option<&'static str> {
    APP_ROLES.iter().find(|(_, known)| *known == id).map(|(name, _)| *name)
}
