// @azure/identity and @microsoft/microsoft-graph-client: folders, mail from one mailbox to another, a delta
// round and the next, a large attachment.
"use strict";

const { report, eventually } = require("./sandbox.cjs");
const crypto = require("node:crypto");
const { ClientCertificateCredential } = require("@azure/identity");
const { Client, FileUpload, LargeFileUploadTask, PageIterator } = require("@microsoft/microsoft-graph-client");
const {
    TokenCredentialAuthenticationProvider,
} = require("@microsoft/microsoft-graph-client/authProviders/azureTokenCredentials");

const PREFER = { Prefer: 'odata.maxpagesize=2, IdType="ImmutableId"' };
const LARGE = Uint8Array.from({ length: 5 * 1024 * 1024 }, (_, number) => (number * 7) % 251);

const digest = (bytes) => crypto.createHash("sha256").update(bytes).digest("hex");

function connect(sandbox) {
    const credential = new ClientCertificateCredential(
        sandbox.tenant_id,
        sandbox.client_id,
        { certificatePath: sandbox.pem },
        { authorityHost: sandbox.entra, disableInstanceDiscovery: true },
    );
    const authProvider = new TokenCredentialAuthenticationProvider(credential, {
        scopes: ["https://graph.microsoft.com/.default"],
    });
    // Without `customHosts` the requests would go out without a token, and nothing would say so.
    const customHosts = new Set([new URL(sandbox.graph).hostname]);
    return Client.initWithMiddleware({ authProvider, baseUrl: sandbox.graph, customHosts });
}

/** Follows a round to its end, page by page as the library does it. */
async function deltaRound(client, link) {
    const first = await client.api(link).headers(PREFER).get();
    const messages = [];
    const keep = (message) => {
        messages.push(message);
        return true;
    };
    const iterator = new PageIterator(client, first, keep, { headers: PREFER });
    await iterator.iterate();
    return {
        firstPage: first.value.length,
        messages,
        complete: iterator.isComplete(),
        deltaLink: iterator.getDeltaLink(),
    };
}

async function send(client, sender, recipient, subject) {
    const message = {
        subject,
        body: { contentType: "html", content: "<p>Grüße aus JavaScript</p>" },
        toRecipients: [{ emailAddress: { address: recipient } }],
    };
    await client.api(`/users/${sender}/sendMail`).post({ message, saveToSentItems: true });
}

async function upload(client, mailbox) {
    const draft = await client.api(`/users/${mailbox}/messages`).post({ subject: "With a large file" });
    const attachments = `/users/${mailbox}/messages/${draft.id}/attachments`;
    const item = { AttachmentItem: { attachmentType: "file", name: "large.bin", size: LARGE.length } };
    const session = await LargeFileUploadTask.createUploadSession(
        client,
        `${attachments}/createUploadSession`,
        item,
    );
    const ranges = [];
    const task = new LargeFileUploadTask(
        client,
        new FileUpload(LARGE, "large.bin", LARGE.length),
        session,
        {
            rangeSize: 2 * 1024 * 1024,
            uploadEventHandlers: { progress: (range) => ranges.push([range.minValue, range.maxValue]) },
        },
    );
    const result = await task.upload();
    const listed = await client.api(attachments).get();
    const [attachment] = listed.value;
    const content = await client
        .api(`${attachments}/${attachment.id}/$value`)
        .responseType("arraybuffer")
        .get();
    return {
        ranges,
        location: Boolean(result.location),
        attachments: listed.value.map((listed) => [listed.name, listed.size]),
        intact: digest(new Uint8Array(content)) === digest(LARGE),
    };
}

/** What the library makes of an error. */
async function refusal(client, mailbox) {
    const draft = await client.api(`/users/${mailbox}/messages`).post({ subject: "Soon gone" });
    const address = `/users/${mailbox}/messages/${draft.id}`;
    await client.api(address).delete();
    try {
        await client.api(address).get();
        return null;
    } catch (error) {
        return { status: error.statusCode, code: error.code, request_id: Boolean(error.requestId) };
    }
}

report(async (sandbox) => {
    const client = connect(sandbox);
    const [sender, recipient] = sandbox.mailboxes.map((mailbox) => mailbox.address);
    const inbox = `/users/${recipient}/mailFolders/inbox`;

    const folders = await client.api(`/users/${recipient}/mailFolders`).get();
    const { totalItemCount } = await client.api(inbox).select("totalItemCount").get();
    const first = await deltaRound(client, `${inbox}/messages/delta`);
    const subject = "A mail of microsoft-graph-client";
    await send(client, sender, recipient, subject);
    let link = first.deltaLink;
    const second = await eventually(async () => {
        const round = await deltaRound(client, link);
        link = round.deltaLink;
        return round.messages.length > 0 ? round : null;
    });
    const arrived = second?.messages.find((message) => message.subject === subject);
    return {
        folders: folders.value.map((folder) => ({ name: folder.displayName, total: folder.totalItemCount })),
        inbox_total: totalItemCount,
        first_page: first.firstPage,
        complete: first.complete,
        entries: first.messages.length,
        distinct: new Set(first.messages.map((message) => message.id)).size,
        subjects_in_second_round: second?.messages.map((message) => message.subject) ?? [],
        arrived: arrived && {
            from: arrived.from.emailAddress.address,
            to: arrived.toRecipients.map((to) => to.emailAddress.address),
            body: arrived.body.content,
            message_id: arrived.internetMessageId,
        },
        upload: await upload(client, sender),
        refusal: await refusal(client, sender),
    };
});
