//! Every option of the organization that email depends on (server-side-sync.md 1.1 to 1.3 and appendix A).

use super::spec::{By, Kind, Place, Spec};

/// `RestrictIRMEmailItems`.
pub(super) const RESTRICT_IRM: &str = "RestrictIRMEmailItems";
/// `CreateQueueItemForSynchronizingMailbox`.
pub(super) const QUEUE_ITEM_FOR_READER: &str = "CreateQueueItemForSynchronizingMailbox";
/// `SSSCreateAdditionalQueueItemsForAlreadyTrackedEmail`.
pub(super) const QUEUE_ITEM_FOR_TRACKED: &str = "SSSCreateAdditionalQueueItemsForAlreadyTrackedEmail";
/// `maxuploadfilesize`, in bytes.
pub(super) const LARGEST_ATTACHMENT: &str = "maxuploadfilesize";
/// `blockedattachments`, with `;` between.
pub(super) const BLOCKED_ATTACHMENTS: &str = "blockedattachments";
/// `requireapprovalforuseremail`.
pub(super) const APPROVED_USERS_ONLY: &str = "requireapprovalforuseremail";
/// `requireapprovalforqueueemail`.
pub(super) const APPROVED_QUEUES_ONLY: &str = "requireapprovalforqueueemail";
/// `mailbox.processanddeleteemails`.
pub(super) const DELETE_AFTER_PROCESSING: &str = "processanddeleteemails";

const SWITCH: Kind = Kind::Switch;
const FLAG_COLUMN: (Place, Kind) = (Place::Column, SWITCH);
const SETTING: (Place, Kind) = (Place::Setting, SWITCH);

const fn number(least: i64, most: i64) -> Kind {
    Kind::Number { least, most }
}

const fn spec(
    name: &'static str,
    (place, kind): (Place, Kind),
    default: &'static str,
    by: By,
    effect: &'static str,
) -> Spec {
    Spec { name, place, kind, default, disagreement: "", by, effect }
}

/// All of them: what Hybridge obeys, what it is to obey, what the organization decides.
pub const TABLE: &[Spec] = &[
    spec(
        "emailconnectionchannel",
        (Place::Column, number(0, 1)),
        "0",
        By::HybridgeAlways,
        "who processes the organization's email: 0 its own server-side synchronization (Hybridge then does not work), 1 Email \
         Router, that is Hybridge",
    ),
    spec(
        APPROVED_USERS_ONLY,
        FLAG_COLUMN,
        "true",
        By::Hybridge,
        "only mailboxes of users whose address is approved are processed",
    ),
    spec(
        APPROVED_QUEUES_ONLY,
        FLAG_COLUMN,
        "true",
        By::Hybridge,
        "only mailboxes of queues whose address is approved are processed",
    ),
    spec(
        LARGEST_ATTACHMENT,
        (Place::Column, number(1, 134_217_728)),
        "5242880",
        By::Hybridge,
        "the largest attachment in bytes; a larger one is left out and named in the explanation",
    ),
    spec(
        BLOCKED_ATTACHMENTS,
        (Place::Column, Kind::Text),
        "",
        By::Hybridge,
        "file extensions, with ; between, whose attachments are left out",
    ),
    spec(
        RESTRICT_IRM,
        SETTING,
        "false",
        By::Hybridge,
        "mail protected by rights management (IRM) is not tracked",
    ),
    spec(
        QUEUE_ITEM_FOR_READER,
        SETTING,
        "false",
        By::Hybridge,
        "mail promoted from the mailbox of a queue gets an item in that queue even where the queue is not on To or Cc",
    )
    .disputed("the editor lists false up to 9.1.0.16819 and true from there on"),
    spec(
        QUEUE_ITEM_FOR_TRACKED,
        SETTING,
        "false",
        By::Hybridge,
        "mail in the mailbox of a queue that another mailbox made a record of already gets an item in that queue too",
    ),
    spec(
        DELETE_AFTER_PROCESSING,
        (Place::EachMailbox, SWITCH),
        "false",
        By::Hybridge,
        "\"Delete Emails After Processing\": mail of queue and forward mailboxes is moved to Deleted Items once it is a record",
    ),
    spec(
        "moveundeliveredemails",
        (Place::EachProfile, SWITCH),
        "false",
        By::HybridgeNotYet,
        "mail that can't be promoted is moved to the Undeliverable folder of the mailbox",
    ),
    spec(
        "AutoTrackSentFolderItems",
        SETTING,
        "false",
        By::HybridgeNotYet,
        "mail in Sent Items is put before the organization too",
    ),
    spec(
        "TrackCategorizedItems",
        SETTING,
        "false",
        By::HybridgeNotYet,
        "mail is tracked by the category \"Tracked to Dynamics 365\"",
    )
    .disputed("the page says on from 9.1.0.4039, the editor true from 9.1.0.15324"),
    spec(
        "isfolderbasedtrackingenabled",
        FLAG_COLUMN,
        "false",
        By::HybridgeNotYet,
        "mail in tracked folders is tracked",
    )
    .disputed("no default is documented"),
    spec(
        "maxfolderbasedtrackingmappings",
        (Place::Column, number(1, 25)),
        "25",
        By::HybridgeNotYet,
        "how many tracked folders a mailbox may have",
    ),
    spec(
        "SSSSaveOutgoingEmailToExchangeSentFolder",
        SETTING,
        "true",
        By::HybridgeNotYet,
        "sent mail leaves a copy in Sent Items",
    ),
    spec(
        "EnableMailboxDelegationForOutgoingEmail",
        SETTING,
        "true",
        By::HybridgeNotYet,
        "mail in another one's name is sent from the submitter's mailbox, \"on behalf of\"",
    )
    .disputed("the page speaks of opting in, the editor lists true"),
    spec(
        "MaximumSubjectLengthOnMailServer",
        (Place::Setting, number(255, 400)),
        "255",
        By::HybridgeNotYet,
        "how many characters subject and tracking token may have together",
    ),
    spec(
        "SendEmailSynchronously",
        (Place::Setting, number(0, 1)),
        "0",
        By::Organization,
        "1 where a plug-in sits on the sending of email",
    ),
    spec(
        "BackgroundSendBatchSize",
        (Place::Setting, number(1, 255)),
        "10",
        By::Organization,
        "mails for each user and batch of its BackgroundSend message",
    ),
    spec(
        "generatealertsforerrors",
        FLAG_COLUMN,
        "true",
        By::HybridgeNotYet,
        "errors become alerts in Dynamics",
    ),
    spec(
        "generatealertsforwarnings",
        FLAG_COLUMN,
        "false",
        By::HybridgeNotYet,
        "warnings become alerts in Dynamics",
    ),
    spec(
        "generatealertsforinformation",
        FLAG_COLUMN,
        "true",
        By::HybridgeNotYet,
        "information becomes alerts in Dynamics",
    ),
    spec(
        "notifymailboxownerofemailserverlevelalerts",
        FLAG_COLUMN,
        "false",
        By::HybridgeNotYet,
        "owners of mailboxes see the alerts of their email server profile",
    ),
    spec(
        "EnableSssItemLevelMonitoring",
        SETTING,
        "false",
        By::HybridgeNotYet,
        "items that fail are listed in Dynamics",
    )
    .disputed("the editor lists false, the newer page true"),
    spec(
        "emailcorrelationenabled",
        FLAG_COLUMN,
        "true",
        By::Organization,
        "mail is correlated by In-Reply-To and conversation index",
    ),
    spec(
        "IgnoreConversationIndexAndInReplyToForCorrelation",
        SETTING,
        "false",
        By::Organization,
        "neither In-Reply-To nor conversation index correlate",
    ),
    spec(
        "istrackingtokenenabled",
        FLAG_COLUMN,
        "true",
        By::Organization,
        "mail is correlated by the tracking token in its subject",
    ),
    spec(
        "trackingprefix",
        (Place::Column, Kind::Text),
        "CRM:",
        By::Organization,
        "what a tracking token begins with",
    )
    .disputed("the page for on-premises prints a longer product name, past its own limit of 20 characters"),
    spec(
        "trackingtokenidbase",
        (Place::Column, number(0, 2_147_483_647)),
        "0",
        By::Organization,
        "added to the user number of tracking tokens",
    ),
    spec(
        "trackingtokeniddigits",
        (Place::Column, number(1, 10)),
        "3",
        By::Organization,
        "the digits of the user number in tracking tokens",
    ),
    spec(
        "enablesmartmatching",
        FLAG_COLUMN,
        "true",
        By::Organization,
        "mail is correlated by its subject and addresses",
    )
    .disputed("on by the page for on-premises, off by the newer one"),
    spec(
        "DisableSmartMatching",
        SETTING,
        "false",
        By::Organization,
        "mail is not correlated by its subject and addresses",
    ),
    spec(
        "DisableSmartMatchingEmailHashCreation",
        SETTING,
        "false",
        By::Organization,
        "no hashes for smart matching are written",
    ),
    spec(
        "hashfilterkeywords",
        (Place::Column, Kind::Text),
        r"^[\s]*([\w]+\s?:[\s]*)+",
        By::Organization,
        "what smart matching strips from a subject",
    ),
    spec(
        "hashmaxcount",
        (Place::Column, number(0, 2_147_483_647)),
        "20",
        By::Organization,
        "how many words and addresses smart matching looks at",
    ),
    spec(
        "hashdeltasubjectcount",
        (Place::Column, number(0, 2_147_483_647)),
        "0",
        By::Organization,
        "by how many words subjects may differ in smart matching",
    ),
    spec(
        "hashminaddresscount",
        (Place::Column, number(0, 2_147_483_647)),
        "2",
        By::Organization,
        "how many addresses have to coincide in smart matching",
    ),
    spec(
        "DoNotCorrelateForwardedEmailsAsReplies",
        SETTING,
        "false",
        By::Organization,
        "a forwarded mail is not taken for an answer",
    ),
    spec(
        "UseFilteringMethodOfSyncingMailboxOnlyForCorrelation",
        SETTING,
        "false",
        By::Organization,
        "only the track option of the mailbox that is read counts",
    ),
    spec(
        "SSSForceFilteringMethodForUserMailboxes",
        (Place::Setting, number(-1, 4)),
        "-1",
        By::Organization,
        "one track option for all users; -1: each has her own",
    ),
    spec(
        "DoNotAutoTrackEmail",
        SETTING,
        "false",
        By::Organization,
        "users and queues may choose \"No email messages\"",
    )
    .disputed("the editor lists false, the newer page true"),
    spec("HideTrackAllOption", SETTING, "false", By::Organization, "users are not offered \"All email messages\""),
    spec(
        "HideEmailAutoTrackOptions",
        SETTING,
        "false",
        By::Organization,
        "users are not offered the options of automatic tracking",
    ),
    spec(
        "ignoreinternalemail",
        FLAG_COLUMN,
        "false",
        By::Organization,
        "mail between two users is not tracked as two activities",
    )
    .disputed("no default is documented"),
    spec(
        "IgnoreInternalEmailDetectionEnhancement",
        SETTING,
        "true",
        By::Organization,
        "internal mail is refused only where the sender's own copy is a record already",
    ),
    spec(
        "DoNotIgnoreInternalEmailToQueues",
        SETTING,
        "true",
        By::Organization,
        "mail from users to queues is tracked although internal mail is not",
    ),
    spec(
        "IgnoreInternalEmailFromQueues",
        SETTING,
        "false",
        By::Organization,
        "mail from queues is refused as internal mail",
    ),
    spec(
        "unresolveemailaddressifmultiplematch",
        FLAG_COLUMN,
        "false",
        By::Organization,
        "an address that several records have stays unresolved on To, Cc and Bcc",
    ),
    spec(
        "UnresolveSenderInCaseOfMultipleMatch",
        SETTING,
        "false",
        By::Organization,
        "a sender's address that several records have stays unresolved",
    ),
    spec(
        "OverrideV5SenderConflictResolution",
        SETTING,
        "false",
        By::Organization,
        "how a sender is chosen among several records",
    ),
    spec(
        "ResolveForInactiveEntities",
        SETTING,
        "false",
        By::Organization,
        "whether inactive records count when addresses are resolved (its two descriptions contradict each other)",
    ),
    spec(
        "AutoCreateContactOnPromote",
        SETTING,
        "true",
        By::Organization,
        "an unknown sender becomes a contact or lead where a user's personal options say so",
    ),
    spec(
        "CreateQueueItemsForAcceptingQueueRecipients",
        SETTING,
        "true",
        By::Organization,
        "each queue on To or Cc that accepts a mail gets an item",
    ),
    spec(
        "allowunresolvedpartiesonemailsend",
        FLAG_COLUMN,
        "false",
        By::Organization,
        "mail may be sent to addresses that are no record's",
    )
    .disputed("no default is documented"),
    spec(
        "RequirePrivilegeToSelfApproveEmailAddress",
        SETTING,
        "false",
        By::Organization,
        "users need a privilege to approve their own address",
    ),
    spec(
        "AlwaysCheckTraceLogDeletePrivilege",
        SETTING,
        "false",
        By::Organization,
        "alerts are deleted only by who has the privilege",
    ),
    spec(
        "expirechangetrackingindays",
        (Place::Column, number(0, 365)),
        "30",
        By::Organization,
        "how long the organization can tell what changed",
    ),
    spec(
        "UseXAnchorMailboxInExchangeRequestHeader",
        SETTING,
        "false",
        By::NotNeeded,
        "how Dynamics' own synchronization routes calls to Exchange Web Services",
    )
    .disputed("the editor lists false, the newer page true"),
    spec(
        "TraceExchangeSyncData",
        SETTING,
        "false",
        By::NotNeeded,
        "Dynamics' own synchronization writes traces",
    ),
    spec(
        "incomingemailexchangeemailretrievalbatchsize",
        (Place::Column, number(0, 2_147_483_647)),
        "",
        By::NotNeeded,
        "how many mails Dynamics' own synchronization reads at a time; Hybridge has [sync] page_size",
    ),
];
