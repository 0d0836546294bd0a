"""msgraph-sdk: folders, mail from one mailbox to another, a delta round and the next, a large attachment."""

import asyncio

import httpx
from azure.identity import CertificateCredential
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import (
    AzureIdentityAuthenticationProvider,
)
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.attachment_item import AttachmentItem
from msgraph.generated.models.attachment_type import AttachmentType
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.message import Message
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.users.item.messages.item.attachments.create_upload_session.create_upload_session_post_request_body import (
    CreateUploadSessionPostRequestBody,
)
from msgraph.generated.users.item.send_mail.send_mail_post_request_body import SendMailPostRequestBody
from msgraph_core import GraphClientFactory

from sandbox import here, report

PAGE_SIZE = 2
LARGE = bytes(number * 7 % 251 for number in range(5 * 1024 * 1024))
SLICE = 2 * 1024 * 1024


def paged():
    """The preferences of a delta round; they have to go with every link (graph.md 3.3)."""
    configuration = RequestConfiguration()
    configuration.headers.add("Prefer", f"odata.maxpagesize={PAGE_SIZE}")
    configuration.headers.add("Prefer", 'IdType="ImmutableId"')
    return configuration


async def list_folders(mailbox):
    folders = await mailbox.mail_folders.get()
    return [{"name": folder.display_name, "total": folder.total_item_count} for folder in folders.value]


async def send(sender, recipient, subject):
    body = ItemBody(content_type=BodyType.Html, content="<p>Grüße aus Python</p>")
    to = [Recipient(email_address=EmailAddress(address=recipient))]
    message = Message(subject=subject, body=body, to_recipients=to)
    await sender.send_mail.post(SendMailPostRequestBody(message=message, save_to_sent_items=True))


async def delta_round(inbox, link=None):
    """Follows a round to its end."""
    request = inbox.messages.delta
    page = await (request.with_url(link) if link else request).get(paged())
    pages, messages = [len(page.value)], list(page.value)
    while page.odata_next_link:
        page = await request.with_url(page.odata_next_link).get(paged())
        pages.append(len(page.value))
        messages += page.value
    return pages, messages, page.odata_delta_link


async def arrival(inbox, link, subject):
    """Goes on with the delta link until the mail is there."""
    for _ in range(100):
        _, messages, link = await delta_round(inbox, link)
        found = [message for message in messages if message.subject == subject]
        if found:
            return found[0], [message.subject for message in messages]
        await asyncio.sleep(0.1)
    return None, []


async def upload(sandbox, mailbox):
    """Attaches five megabytes to a draft. The slices go without a token, as the address is a secret itself.

    msgraph_core's LargeFileUploadTask can't be used: it does not read the ranges that Outlook answers with.
    """
    draft = await mailbox.messages.post(Message(subject="With a large file"))
    attachments = mailbox.messages.by_message_id(draft.id).attachments
    item = AttachmentItem(attachment_type=AttachmentType.File, name="large.bin", size=len(LARGE))
    session = await attachments.create_upload_session.post(
        CreateUploadSessionPostRequestBody(attachment_item=item)
    )
    answers = []
    async with httpx.AsyncClient(verify=sandbox.trust()) as plain:
        for start in range(0, len(LARGE), SLICE):
            piece = LARGE[start : start + SLICE]
            content_range = f"bytes {start}-{start + len(piece) - 1}/{len(LARGE)}"
            answer = await plain.put(
                session.upload_url,
                content=piece,
                headers={"Content-Range": content_range, "Content-Type": "application/octet-stream"},
            )
            answers.append(answer)
    listed = (await attachments.get()).value
    read = await attachments.by_attachment_id(listed[0].id).get()
    return {
        "first_ranges": session.next_expected_ranges,
        "statuses": [answer.status_code for answer in answers],
        "location": "location" in answers[-1].headers,
        "attachments": [attachment.name for attachment in listed],
        "type": read.odata_type,
        "intact": read.content_bytes == LARGE,
    }


async def refusal(mailbox):
    """What the SDK makes of an error."""
    draft = await mailbox.messages.post(Message(subject="Soon gone"))
    message = mailbox.messages.by_message_id(draft.id)
    await message.delete()
    try:
        await message.get()
    except ODataError as error:
        inner = error.error.inner_error
        return {
            "status": error.response_status_code,
            "code": error.error.code,
            "request_id": bool(inner and inner.request_id),
        }
    return None


async def main():
    sandbox = here()
    credential = CertificateCredential(
        sandbox.tenant_id,
        sandbox.client_id,
        certificate_path=sandbox.pem,
        authority=sandbox.entra,
        disable_instance_discovery=True,
        connection_verify=sandbox.ca,
    )
    provider = AzureIdentityAuthenticationProvider(
        credential, scopes=["https://graph.microsoft.com/.default"], allowed_hosts=["localhost"]
    )
    client = httpx.AsyncClient(verify=sandbox.trust(), timeout=30)
    adapter = GraphRequestAdapter(
        provider, client=GraphClientFactory.create_with_default_middleware(client=client)
    )
    adapter.base_url = f"{sandbox.graph}/v1.0"
    users = GraphServiceClient(request_adapter=adapter).users

    sender_address, recipient_address = sandbox.mailboxes[:2]
    sender, recipient = users.by_user_id(sender_address), users.by_user_id(recipient_address)
    inbox = recipient.mail_folders.by_mail_folder_id("inbox")
    pages, messages, delta_link = await delta_round(inbox)
    total = (await inbox.get()).total_item_count
    subject = "A mail of msgraph-sdk"
    await send(sender, recipient_address, subject)
    arrived, second_round = await arrival(inbox, delta_link, subject)
    report(
        {
            "folders": await list_folders(recipient),
            "inbox_total": total,
            "pages": pages,
            "distinct": len({message.id for message in messages}),
            "subjects_in_second_round": second_round,
            "arrived": arrived
            and {
                "from": arrived.from_.email_address.address,
                "to": [to.email_address.address for to in arrived.to_recipients],
                "body": arrived.body.content,
                "message_id": arrived.internet_message_id,
            },
            "upload": await upload(sandbox, sender),
            "refusal": await refusal(sender),
        }
    )
    credential.close()
    await client.aclose()


asyncio.run(main())
