//! Activities: emails with their parties and attachments, and tasks (dynamics.md 4.7, 4.8, 4.10).

use super::{
    Collection, OWNER, Table, Target, Verbs,
    attribute::{Attribute, bigint, boolean, choice, file, id, integer, key, lookup, memo, real, text, time},
};

const PRIORITY: &[(i64, &str)] = &[(0, "Low"), (1, "Normal"), (2, "High")];
const EMAIL_STATES: &[(i64, &str)] = &[(0, "Open"), (1, "Completed"), (2, "Canceled")];
const EMAIL_STATUSES: &[(i64, &str)] = &[
    (1, "Draft"),
    (2, "Completed"),
    (3, "Sent"),
    (4, "Received"),
    (5, "Canceled"),
    (6, "Pending Send"),
    (7, "Sending"),
    (8, "Failed"),
];
const CORRELATION_METHODS: &[(i64, &str)] = &[
    (0, "None"),
    (1, "Skipped"),
    (2, "XHeader"),
    (3, "InReplyTo"),
    (4, "TrackingToken"),
    (5, "ConversationIndex"),
    (6, "SmartMatching"),
    (7, "CustomCorrelation"),
];
const NOTIFICATIONS: &[(i64, &str)] = &[
    (0, "None"),
    (
        1,
        "The message was saved as a Microsoft Dynamics 365 email record, but not all the attachments could be saved with it.",
    ),
    (2, "Truncated body."),
];
const PARTICIPATION: &[(i64, &str)] = &[
    (1, "Sender"),
    (2, "To Recipient"),
    (3, "CC Recipient"),
    (4, "BCC Recipient"),
    (5, "Required attendee"),
    (6, "Optional attendee"),
    (7, "Organizer"),
    (8, "Regarding"),
    (9, "Owner"),
    (10, "Resource"),
    (11, "Customer"),
];

const EMAIL_REGARDING: &[Target] = &[
    Target::new("account", "regardingobjectid_account_email").also("regardingobjectid_account"),
    Target::new("contact", "regardingobjectid_contact_email").also("regardingobjectid_contact"),
    Target::new("lead", "regardingobjectid_lead_email").also("regardingobjectid_lead"),
];
const TASK_REGARDING: &[Target] = &[
    Target::new("account", "regardingobjectid_account_task").also("regardingobjectid_account"),
    Target::new("contact", "regardingobjectid_contact_task").also("regardingobjectid_contact"),
    Target::new("lead", "regardingobjectid_lead_task").also("regardingobjectid_lead"),
];
const ANY_REGARDING: &[Target] = &[
    Target::new("account", "regardingobjectid_account"),
    Target::new("contact", "regardingobjectid_contact"),
    Target::new("lead", "regardingobjectid_lead"),
];
const EMAIL_SENDER: &[Target] = &[
    Target::new("account", "emailsender_account"),
    Target::new("contact", "emailsender_contact"),
    Target::new("lead", "emailsender_lead"),
    Target::new("queue", "emailsender_queue"),
    Target::new("systemuser", "emailsender_systemuser"),
];

const EMAIL_ATTRIBUTES: &[Attribute] = &[
    key("activityid"),
    text("subject", 200),
    memo("description"),
    text("activitytypecode", 100).read_only(),
    boolean("directioncode"),
    text("messageid", 320).indexed(),
    id("messageiddupcheck").no_read(),
    text("mimetype", 256),
    text("submittedby", 250),
    text("sender", 250),
    text("torecipients", 500),
    text("trackingtoken", 50).indexed(),
    integer("deliveryattempts"),
    time("actualstart"),
    time("actualend"),
    time("scheduledstart"),
    time("scheduledend"),
    time("delayedemailsendtime"),
    choice("prioritycode", PRIORITY),
    boolean("readreceiptrequested"),
    boolean("deliveryreceiptrequested"),
    choice("notifications", NOTIFICATIONS),
    text("category", 250),
    text("subcategory", 250),
    text("baseconversationindexhash", 40).indexed(),
    boolean("isworkflowcreated"),
    text("exchangeitemid", 200),
    text("exchangeweblink", 1250),
    choice("deliveryprioritycode", PRIORITY).no_update(),
    id("conversationtrackingid").no_update(),
    id("emailtrackingid").no_update(),
    lookup("parentactivityid", &[Target::new("email", "parentactivityid")]).no_update(),
    text("emailsendername", 500).no_update(),
    choice("statecode", EMAIL_STATES).no_create(),
    choice("statuscode", EMAIL_STATUSES),
    integer("attachmentopencount").no_create(),
    integer("opencount").no_create(),
    text("inreplyto", 320).read_only(),
    text("conversationindex", 2048).read_only(),
    choice("correlationmethod", CORRELATION_METHODS).read_only(),
    boolean("isunsafe").read_only(),
    boolean("compressed").read_only(),
    time("senton").read_only(),
    time("deliverylastattemptedon").read_only(),
    lookup("sendermailboxid", &[Target::new("mailbox", "sendermailboxid_email")]).read_only(),
    lookup("emailsender", EMAIL_SENDER).read_only(),
    time("postponeemailprocessinguntil").read_only(),
    integer("attachmentcount").read_only(),
    integer("replycount").read_only(),
    text("subjecthash", 40).read_only().no_read().indexed(),
    lookup("regardingobjectid", EMAIL_REGARDING).indexed(),
    lookup("ownerid", OWNER),
];

pub(super) static EMAIL: Table = Table {
    name: "email",
    set: "emails",
    code: 4202,
    key: "activityid",
    title: "subject",
    verbs: Verbs::ALL,
    attributes: EMAIL_ATTRIBUTES,
    collections: &[
        Collection { name: "email_activity_parties", table: "activityparty", by: "activityid" },
        Collection { name: "activitypointer_activity_parties", table: "activityparty", by: "activityid" },
        Collection {
            name: "email_activity_mime_attachment",
            table: "activitymimeattachment",
            by: "objectid",
        },
        Collection {
            name: "activity_pointer_activity_mime_attachment",
            table: "activitymimeattachment",
            by: "objectid",
        },
        Collection { name: "Email_QueueItem", table: "queueitem", by: "objectid" },
    ],
    view_of: &[],
};

pub(super) static ACTIVITY: Table = Table {
    name: "activitypointer",
    set: "activitypointers",
    code: 4200,
    key: "activityid",
    title: "subject",
    verbs: Verbs::READ,
    attributes: &[
        key("activityid"),
        text("subject", 200),
        memo("description"),
        text("activitytypecode", 100).read_only(),
        time("actualstart"),
        time("actualend"),
        time("scheduledstart"),
        time("scheduledend"),
        choice("prioritycode", PRIORITY),
        integer("statecode"),
        integer("statuscode"),
        lookup("regardingobjectid", ANY_REGARDING),
        lookup("ownerid", OWNER),
    ],
    collections: &[
        Collection { name: "activitypointer_activity_parties", table: "activityparty", by: "activityid" },
        Collection {
            name: "activity_pointer_activity_mime_attachment",
            table: "activitymimeattachment",
            by: "objectid",
        },
        Collection { name: "ActivityPointer_QueueItem", table: "queueitem", by: "objectid" },
    ],
    view_of: &["email", "task"],
};

pub(super) static TASK: Table = Table {
    name: "task",
    set: "tasks",
    code: 4212,
    key: "activityid",
    title: "subject",
    verbs: Verbs::ALL,
    attributes: &[
        key("activityid"),
        text("subject", 200),
        text("description", 2000),
        text("activitytypecode", 100).read_only(),
        time("actualstart"),
        time("actualend"),
        time("scheduledstart"),
        time("scheduledend"),
        integer("percentcomplete"),
        choice("prioritycode", PRIORITY),
        text("category", 250),
        id("crmtaskassigneduniqueid"),
        choice("statecode", EMAIL_STATES).no_create(),
        choice(
            "statuscode",
            &[
                (2, "Not Started"),
                (3, "In Progress"),
                (4, "Waiting on someone else"),
                (5, "Completed"),
                (6, "Canceled"),
                (7, "Deferred"),
            ],
        ),
        lookup("regardingobjectid", TASK_REGARDING).indexed(),
        lookup("ownerid", OWNER),
    ],
    collections: &[
        Collection { name: "task_activity_parties", table: "activityparty", by: "activityid" },
        Collection { name: "activitypointer_activity_parties", table: "activityparty", by: "activityid" },
        Collection { name: "Task_QueueItem", table: "queueitem", by: "objectid" },
    ],
    view_of: &[],
};

pub(super) static NOTE: Table = Table {
    name: "annotation",
    set: "annotations",
    code: 5,
    key: "annotationid",
    title: "subject",
    verbs: Verbs::ALL,
    attributes: &[
        key("annotationid"),
        text("subject", 500),
        memo("notetext"),
        lookup(
            "objectid",
            &[
                Target::new("email", "objectid_email"),
                Target::new("account", "objectid_account"),
                Target::new("contact", "objectid_contact"),
            ],
        )
        .indexed(),
        lookup("ownerid", OWNER),
    ],
    collections: &[],
    view_of: &[],
};

pub(super) static PARTY: Table = Table {
    name: "activityparty",
    set: "activityparties",
    code: 135,
    key: "activitypartyid",
    title: "addressused",
    verbs: Verbs::READ,
    attributes: &[
        key("activitypartyid"),
        lookup(
            "activityid",
            &[
                Target::new("email", "activityid_email"),
                Target::new("task", "activityid_task"),
                Target::new("activitypointer", "activityid_activitypointer"),
            ],
        )
        .indexed(),
        lookup(
            "partyid",
            &[
                Target::new("account", "partyid_account"),
                Target::new("contact", "partyid_contact"),
                Target::new("lead", "partyid_lead"),
                Target::new("systemuser", "partyid_systemuser"),
                Target::new("queue", "partyid_queue"),
            ],
        )
        .indexed(),
        choice("participationtypemask", PARTICIPATION),
        text("addressused", 200).indexed(),
        text("unresolvedpartyname", 400).read_only(),
        text("exchangeentryid", 1024),
        real("effort"),
        integer("addressusedemailcolumnnumber").read_only(),
        boolean("donotemail").read_only(),
        boolean("ispartydeleted").read_only(),
        integer("instancetypecode").read_only(),
        lookup("ownerid", OWNER).read_only(),
    ],
    collections: &[],
    view_of: &[],
};

pub(super) static ATTACHMENT: Table = Table {
    name: "activitymimeattachment",
    set: "activitymimeattachments",
    code: 1001,
    key: "activitymimeattachmentid",
    title: "filename",
    verbs: Verbs::ALL,
    attributes: &[
        key("activitymimeattachmentid"),
        lookup(
            "objectid",
            &[
                Target::new("email", "objectid_activitypointer"),
                Target::new("activitypointer", "objectid_activitypointer"),
            ],
        )
        .indexed(),
        text("objecttypecode", 64),
        text("filename", 255),
        text("mimetype", 256),
        file("body"),
        text("subject", 2000),
        integer("attachmentnumber"),
        text("attachmentcontentid", 250),
        id("attachmentid"),
        bigint("filesize").read_only(),
        text("activitysubject", 200).read_only(),
    ],
    collections: &[],
    view_of: &[],
};
