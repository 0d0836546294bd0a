// dynamics-web-api: creates, queries, pages, batches, tracks changes and calls actions, with a token that the
// emulated AD FS gave for a password.
"use strict";

const { report } = require("./sandbox.cjs");
const fs = require("node:fs");
const { DynamicsWebApi } = require("dynamics-web-api");

const FAMILY = "Clientsson";

/** Where to sign in, as the organization says it to those who come without a token (dynamics.md 2.1). */
async function challenge(sandbox) {
    const answer = await fetch(`${sandbox.organization}api/data/v9.1/WhoAmI`);
    const words = answer.headers.get("www-authenticate") ?? "";
    const parameter = (name) => words.match(new RegExp(`${name}="?([^",]+)`))?.[1];
    return {
        status: answer.status,
        scheme: words.split(" ")[0],
        authorization: parameter("authorization_uri"),
        resource: parameter("resource_id"),
    };
}

/** The password grant (dynamics.md 2.3). */
async function signIn(sandbox, { authorization, resource }, password) {
    const answer = await fetch(authorization.replace(/authorize$/, "token"), {
        method: "POST",
        body: new URLSearchParams({
            grant_type: "password",
            client_id: sandbox.adfs_client_id,
            resource,
            username: sandbox.user,
            password,
        }),
    });
    return { status: answer.status, ...(await answer.json()) };
}

/** The status and code of a call that ought to fail. */
async function failure(call) {
    try {
        await call();
        return null;
    } catch (error) {
        const { status, code } = Array.isArray(error) ? error[0] : error;
        return { status, code };
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
    await api.update({ collection: "contacts", key: id, data: { jobtitle: "Analyst" }, ifmatch: stale });
    return {
        id,
        pages,
        found: found.value.map((contact) => contact.contactid),
        count: found.oDataCount,
        fullname: one.fullname,
        stale_update: await failure(() =>
            api.update({ collection: "contacts", key: id, data: { jobtitle: "Countess" }, ifmatch: stale }),
        ),
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
    const people = { collection: "contacts", select: ["firstname"], filter: "lastname eq 'Batchsson'" };
    api.startBatch();
    contact({ firstname: "Flo", lastname: "Batchsson" });
    contact({ firstname: "Gus", lastname: "Batchsson" });
    api.retrieveMultiple(people);
    const [first, second, found] = await api.executeBatch();

    api.startBatch();
    contact({ firstname: "Hal", lastname: "Halfsson" });
    contact({ firstname: "Ida", lastname: "Halfsson", statecode: "no number" });
    const refused = await failure(() => api.executeBatch());
    return {
        created: [first, second],
        found: found.value.map((person) => person.firstname).sort(),
        refused,
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
    const password = fs.readFileSync(sandbox.password_file, "utf8").trim();
    const refused = await signIn(sandbox, asked, "not the password");
    const token = await signIn(sandbox, asked, password);
    const api = new DynamicsWebApi({
        serverUrl: sandbox.organization,
        dataApi: { version: "9.1" },
        onTokenRefresh: async () => token.access_token,
    });
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
