// dynamics-web-api: creates, queries, pages, batches, tracks changes and calls actions, with a token that the
// emulated AD FS gave for a password.
"use strict";

const { report } = require("./sandbox.cjs");
const { challenge, connect, signIn } = require("./organization.cjs");

const FAMILY = "Clientsson";

/** The status and code of a call that ought to fail. */
async function failure(call) {
    try {
        await call();
        return null;
    } catch (error) {
        return { status: error.status, code: error.code };
    }
}

async function records(api) {
    const create = (data) => api.create({ collection: "contacts", data });
    const id = await create({ firstname: "Ada", lastname: FAMILY, emailaddress1: "ada@clients.example" });
    for (const firstname of ["Berta", "Cleo", "Dora", "Eve"]) {
        await create({ firstname, lastname: FAMILY });
    }
    const query = {
        collection: "contacts",
        select: ["fullname", "emailaddress1"],
        orderBy: ["firstname asc"],
        filter: `lastname eq '${FAMILY}'`,
        maxPageSize: 2,
    };
    const pages = [];
    let page = await api.retrieveMultiple(query);
    pages.push(page.value.map((contact) => contact.fullname));
    while (page.oDataNextLink) {
        page = await api.retrieveMultiple(query, page.oDataNextLink);
        pages.push(page.value.map((contact) => contact.fullname));
    }
    const found = await api.retrieveMultiple({
        collection: "contacts",
        select: ["fullname"],
        filter: "contains(emailaddress1,'@clients.example') and statecode eq 0",
        count: true,
        includeAnnotations: "OData.Community.Display.V1.FormattedValue",
    });
    const one = await api.retrieve({ collection: "contacts", key: id, select: ["fullname"] });
    const stale = one["@odata.etag"];
    const update = (jobtitle) =>
        api.update({ collection: "contacts", key: id, data: { jobtitle }, ifmatch: stale });
    return {
        id,
        pages,
        found: found.value.map((contact) => contact.contactid),
        count: found.oDataCount,
        fullname: one.fullname,
        // The library makes `false` of a 412.
        updates: [await update("Analyst"), await update("Countess")],
        unknown_column: await failure(() =>
            api.retrieveMultiple({ collection: "contacts", select: ["shoesize"] }),
        ),
    };
}

async function count(api, lastname) {
    const found = await api.retrieveMultiple({
        collection: "contacts",
        select: ["contactid"],
        filter: `lastname eq '${lastname}'`,
    });
    return found.value.length;
}

async function batches(api) {
    const contact = (data) => api.create({ collection: "contacts", data, inChangeSet: true });
    api.startBatch();
    contact({ firstname: "Flo", lastname: "Batchsson" });
    contact({ firstname: "Gus", lastname: "Batchsson" });
    const created = await api.executeBatch();

    api.startBatch();
    contact({ firstname: "Hal", lastname: "Halfsson" });
    contact({ firstname: "Ida", lastname: "Halfsson", statecode: "no number" });
    const refused = await api.executeBatch();
    return {
        created,
        left_by_created: await count(api, "Batchsson"),
        refused: refused.map((error) => error.status),
        left_by_refused: await count(api, "Halfsson"),
    };
}

async function changes(api) {
    const query = { collection: "contacts", select: ["firstname", "lastname"], trackChanges: true };
    const before = await api.retrieveMultiple(query);
    const id = await api.create({ collection: "contacts", data: { firstname: "Jo", lastname: "Latersson" } });
    const after = await api.retrieveMultiple(query, before.oDataDeltaLink);
    return {
        link: Boolean(before.oDataDeltaLink),
        created: id,
        seen: after.value.map((contact) => contact.contactid),
    };
}

async function incomingEmail(api, sandbox) {
    const MessageId = "<first@clients.example>";
    const Subject = "A mail of dynamics-web-api";
    const From = "ada@clients.example";
    const To = sandbox.mailboxes.map((mailbox) => mailbox.address).join(";");
    const check = () =>
        api.callFunction({
            name: "CheckIncomingEmail",
            parameters: { MessageId, Subject, From, To, Cc: "", Bcc: "" },
        });
    const before = await check();
    const delivered = await api.callAction({
        collection: "emails",
        actionName: "Microsoft.Dynamics.CRM.DeliverIncomingEmail",
        action: {
            MessageId,
            Subject,
            From,
            To,
            Cc: "",
            Bcc: "",
            ReceivedOn: "2026-11-02T09:30:00Z",
            SubmittedBy: sandbox.mailboxes[0].address,
            Importance: "high",
            Body: "<p>Grüße</p>",
            Attachments: [
                {
                    "@odata.type": "Microsoft.Dynamics.CRM.activitymimeattachment",
                    filename: "note.txt",
                    mimetype: "text/plain",
                    body: Buffer.from("a note").toString("base64"),
                },
            ],
        },
    });
    const email = await api.retrieve({
        collection: "emails",
        key: delivered.activityid,
        select: ["subject", "messageid", "directioncode", "statecode", "statuscode", "prioritycode"],
        expand: [{ property: "email_activity_parties", select: ["addressused", "participationtypemask"] }],
    });
    const files = await api.retrieveMultiple({
        collection: "activitymimeattachments",
        select: ["filename", "body"],
        filter: `_objectid_value eq ${delivered.activityid}`,
    });
    const after = await check();
    const refused = await failure(() => api.callAction({ actionName: "NoSuchAction", action: {} }));
    return {
        before: { deliver: before.ShouldDeliver, reason: before.ReasonCode },
        email: {
            subject: email.subject,
            message_id: email.messageid,
            incoming: email.directioncode === false,
            state: email.statecode,
            status: email.statuscode,
            priority: email.prioritycode,
            senders: email.email_activity_parties
                .filter((party) => party.participationtypemask === 1)
                .map((party) => party.addressused),
            recipients: email.email_activity_parties.filter((party) => party.participationtypemask === 2)
                .length,
        },
        files: files.value.map((file) => [file.filename, Buffer.from(file.body, "base64").toString()]),
        after: { deliver: after.ShouldDeliver, reason: after.ReasonCode },
        refused,
    };
}

report(async (sandbox) => {
    const asked = await challenge(sandbox);
    const refused = await signIn(sandbox, asked, "not the password");
    const { token, api } = await connect(sandbox);
    const whoAmI = await api.callFunction("WhoAmI");
    return {
        challenge: { status: asked.status, scheme: asked.scheme, resource: asked.resource },
        wrong_password: { status: refused.status, error: refused.error },
        token: { status: token.status, type: token.token_type, expires_in: token.expires_in },
        who_am_i: whoAmI,
        records: await records(api),
        batches: await batches(api),
        changes: await changes(api),
        email: await incomingEmail(api, sandbox),
    };
});
