//! Those who write and receive mail: users and their settings, contacts, accounts, leads, roles
//! (dynamics.md 4.5, 4.10).

use super::{
    Collection, OWNER, Table, Target, Verbs,
    attribute::{boolean, choice, id, integer, key, lookup, text, time},
};

const ACTIVE: &[(i64, &str)] = &[(0, "Active"), (1, "Inactive")];
const ACTIVE_STATUS: &[(i64, &str)] = &[(1, "Active"), (2, "Inactive")];
pub(super) const INCOMING_METHODS: &[(i64, &str)] = &[
    (0, "None"),
    (1, "Microsoft Dynamics 365 for Outlook"),
    (2, "Server-Side Synchronization or Email Router"),
    (3, "Forward Mailbox"),
];
pub(super) const OUTGOING_METHODS: &[(i64, &str)] = &[
    (0, "None"),
    (1, "Microsoft Dynamics 365 for Outlook"),
    (2, "Server-Side Synchronization or Email Router"),
];
pub(super) const APPROVALS: &[(i64, &str)] =
    &[(0, "Empty"), (1, "Approved"), (2, "Pending Approval"), (3, "Rejected")];
pub(super) const FILTERING_METHODS: &[(i64, &str)] = &[
    (0, "All email messages"),
    (1, "Email messages in response to Dynamics 365 email"),
    (2, "Email messages from Dynamics 365 Leads, Contacts and Accounts"),
    (3, "Email messages from Dynamics 365 records that are email enabled"),
    (4, "No email messages"),
];

pub(super) static USER: Table = Table {
    name: "systemuser",
    set: "systemusers",
    code: 8,
    key: "systemuserid",
    title: "fullname",
    verbs: Verbs { create: true, update: true, delete: false },
    attributes: &[
        key("systemuserid"),
        text("fullname", 200).read_only(),
        text("firstname", 64),
        text("lastname", 64),
        text("domainname", 1024).indexed(),
        text("internalemailaddress", 100).indexed(),
        text("personalemailaddress", 100).indexed(),
        text("windowsliveid", 100),
        choice("incomingemaildeliverymethod", INCOMING_METHODS),
        choice("outgoingemaildeliverymethod", OUTGOING_METHODS),
        choice("emailrouteraccessapproval", APPROVALS).no_create(),
        boolean("isdisabled").no_create(),
        choice(
            "accessmode",
            &[
                (0, "Read-Write"),
                (1, "Administrative"),
                (2, "Read"),
                (3, "Support User"),
                (4, "Non-interactive"),
                (5, "Delegated Admin"),
            ],
        ),
        lookup("defaultmailbox", &[Target::new("mailbox", "defaultmailbox")]).read_only(),
        lookup("queueid", &[Target::new("queue", "queueid")]),
        lookup("businessunitid", &[Target::new("businessunit", "businessunitid")]),
        boolean("defaultfilterspopulated").read_only(),
        id("applicationid").read_only(),
        id("azureactivedirectoryobjectid").read_only(),
    ],
    collections: &[
        Collection { name: "user_settings", table: "usersettings", by: "systemuserid" },
        Collection { name: "mailbox_regarding_systemuser", table: "mailbox", by: "regardingobjectid" },
        Collection { name: "systemuserroles_association", table: "systemuserroles", by: "systemuserid" },
    ],
    view_of: &[],
};

pub(super) static SETTINGS: Table = Table {
    name: "usersettings",
    set: "usersettingscollection",
    code: 150,
    key: "systemuserid",
    title: "systemuserid",
    verbs: Verbs::READ_UPDATE,
    attributes: &[
        key("systemuserid"),
        choice("incomingemailfilteringmethod", FILTERING_METHODS),
        integer("autocreatecontactonpromote"),
        boolean("ignoreunsolicitedemail"),
        boolean("issendasallowed"),
        integer("timezonecode"),
        integer("localeid"),
        integer("uilanguageid"),
        integer("trackingtokenid"),
        integer("nexttrackingnumber"),
    ],
    collections: &[],
    view_of: &[],
};

pub(super) static ROLE: Table = Table {
    name: "role",
    set: "roles",
    code: 1036,
    key: "roleid",
    title: "name",
    verbs: Verbs::ALL,
    attributes: &[
        key("roleid"),
        text("name", 100),
        lookup("businessunitid", &[Target::new("businessunit", "businessunitid")]),
        lookup("roletemplateid", &[Target::new("roletemplate", "roletemplateid")]).read_only(),
    ],
    collections: &[],
    view_of: &[],
};

/// What a predefined role was made from: its id is the same in every organization, its name is translated.
pub(super) static ROLE_TEMPLATE: Table = Table {
    name: "roletemplate",
    set: "roletemplates",
    code: 1037,
    key: "roletemplateid",
    title: "name",
    verbs: Verbs::READ,
    attributes: &[key("roletemplateid"), text("name", 100)],
    collections: &[],
    view_of: &[],
};

pub(super) static PRIVILEGE: Table = Table {
    name: "privilege",
    set: "privileges",
    code: 1023,
    key: "privilegeid",
    title: "name",
    verbs: Verbs::READ,
    attributes: &[
        key("privilegeid"),
        text("name", 100).indexed(),
        integer("accessright"),
        boolean("canbeglobal"),
    ],
    collections: &[],
    view_of: &[],
};

pub(super) static ROLE_PRIVILEGE: Table = Table {
    name: "roleprivileges",
    set: "roleprivilegescollection",
    code: 12,
    key: "roleprivilegeid",
    title: "roleprivilegeid",
    verbs: Verbs::READ,
    attributes: &[
        key("roleprivilegeid"),
        id("roleid").indexed(),
        id("privilegeid"),
        integer("privilegedepthmask"),
    ],
    collections: &[],
    view_of: &[],
};

pub(super) static USER_ROLE: Table = Table {
    name: "systemuserroles",
    set: "systemuserrolescollection",
    code: 15,
    key: "systemuserroleid",
    title: "systemuserroleid",
    verbs: Verbs::READ,
    attributes: &[
        key("systemuserroleid"),
        lookup("systemuserid", &[Target::new("systemuser", "systemuserid")]).indexed(),
        lookup("roleid", &[Target::new("role", "roleid")]).indexed(),
    ],
    collections: &[],
    view_of: &[],
};

pub(super) static BUSINESS_UNIT: Table = Table {
    name: "businessunit",
    set: "businessunits",
    code: 10,
    key: "businessunitid",
    title: "name",
    verbs: Verbs::READ_UPDATE,
    attributes: &[
        key("businessunitid"),
        text("name", 160),
        boolean("isdisabled").read_only(),
        lookup("parentbusinessunitid", &[Target::new("businessunit", "parentbusinessunitid")]),
    ],
    collections: &[],
    view_of: &[],
};

pub(super) static CONTACT: Table = Table {
    name: "contact",
    set: "contacts",
    code: 2,
    key: "contactid",
    title: "fullname",
    verbs: Verbs::ALL,
    attributes: &[
        key("contactid"),
        text("fullname", 160).read_only(),
        text("firstname", 50),
        text("middlename", 50),
        text("lastname", 50),
        text("salutation", 100),
        text("suffix", 10),
        text("nickname", 100),
        text("jobtitle", 100),
        text("department", 100),
        text("emailaddress1", 100).indexed(),
        text("emailaddress2", 100).indexed(),
        text("emailaddress3", 100).indexed(),
        text("telephone1", 50),
        text("telephone2", 50),
        text("telephone3", 50),
        text("mobilephone", 50),
        text("company", 50),
        text("fax", 50),
        text("websiteurl", 200),
        text("address1_line1", 250),
        text("address1_line2", 250),
        text("address1_line3", 250),
        text("address1_city", 80),
        text("address1_stateorprovince", 50),
        text("address1_postalcode", 20),
        text("address1_country", 80),
        time("birthdate"),
        text("description", 2000),
        boolean("donotemail"),
        boolean("donotbulkemail"),
        choice("statecode", ACTIVE).no_create(),
        choice("statuscode", ACTIVE_STATUS),
        lookup(
            "parentcustomerid",
            &[
                Target::new("account", "parentcustomerid_account"),
                Target::new("contact", "parentcustomerid_contact"),
            ],
        ),
        lookup("ownerid", OWNER),
    ],
    collections: &[],
    view_of: &[],
};

pub(super) static ACCOUNT: Table = Table {
    name: "account",
    set: "accounts",
    code: 1,
    key: "accountid",
    title: "name",
    verbs: Verbs::ALL,
    attributes: &[
        key("accountid"),
        text("name", 160),
        text("accountnumber", 20),
        text("emailaddress1", 100).indexed(),
        text("emailaddress2", 100).indexed(),
        text("emailaddress3", 100).indexed(),
        text("telephone1", 50),
        text("telephone2", 50),
        text("telephone3", 50),
        text("fax", 50),
        text("websiteurl", 200),
        text("description", 2000),
        choice("statecode", ACTIVE).no_create(),
        choice("statuscode", ACTIVE_STATUS),
        lookup("primarycontactid", &[Target::new("contact", "primarycontactid")]),
        lookup("parentaccountid", &[Target::new("account", "parentaccountid")]),
        lookup("ownerid", OWNER),
    ],
    collections: &[
        Collection { name: "contact_customer_accounts", table: "contact", by: "parentcustomerid" },
        Collection { name: "Account_Emails", table: "email", by: "regardingobjectid" },
        Collection { name: "Account_Tasks", table: "task", by: "regardingobjectid" },
    ],
    view_of: &[],
};

pub(super) static LEAD: Table = Table {
    name: "lead",
    set: "leads",
    code: 4,
    key: "leadid",
    title: "fullname",
    verbs: Verbs::ALL,
    attributes: &[
        key("leadid"),
        text("fullname", 160).read_only(),
        text("subject", 300),
        text("firstname", 50),
        text("lastname", 50),
        text("companyname", 100),
        text("emailaddress1", 100).indexed(),
        text("emailaddress2", 100).indexed(),
        text("emailaddress3", 100).indexed(),
        text("telephone1", 50),
        text("mobilephone", 20),
        text("jobtitle", 100),
        choice("statecode", &[(0, "Open"), (1, "Qualified"), (2, "Disqualified")]).no_create(),
        choice(
            "statuscode",
            &[
                (1, "New"),
                (2, "Contacted"),
                (3, "Qualified"),
                (4, "Lost"),
                (5, "Cannot Contact"),
                (6, "No Longer Interested"),
                (7, "Canceled"),
            ],
        ),
        lookup("ownerid", OWNER),
    ],
    collections: &[],
    view_of: &[],
};
