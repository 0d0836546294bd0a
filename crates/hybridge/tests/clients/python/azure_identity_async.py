"""azure-identity, asynchronous: it builds the client assertion itself and pads its segments with `=`."""

import asyncio

from azure.identity.aio import CertificateCredential

import jwt
from sandbox import here, report


async def main():
    sandbox = here()
    async with CertificateCredential(
        sandbox.tenant_id,
        sandbox.client_id,
        certificate_path=sandbox.pem,
        authority=sandbox.entra,
        disable_instance_discovery=True,
        connection_verify=sandbox.ca,
    ) as credential:
        token = await credential.get_token("https://graph.microsoft.com/.default")
    claims = jwt.decode(token.token, options={"verify_signature": False})
    report({"claims": {name: claims.get(name) for name in ("aud", "tid", "appid", "azp", "roles")}})


asyncio.run(main())
