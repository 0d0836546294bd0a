"""azure-identity: a token with a certificate, and the refusals of an unknown tenant and application."""

import uuid

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential

import jwt
from sandbox import here, report

SCOPE = "https://graph.microsoft.com/.default"


def ask(sandbox, tenant_id, client_id):
    credential = CertificateCredential(
        tenant_id,
        client_id,
        certificate_path=sandbox.pem,
        authority=sandbox.entra,
        disable_instance_discovery=True,
        connection_verify=sandbox.ca,
    )
    try:
        token = credential.get_token(SCOPE)
    except ClientAuthenticationError as error:
        return {"refusal": str(error)}
    claims = jwt.decode(token.token, options={"verify_signature": False})
    return {
        "lifetime_seconds": token.expires_on - claims["iat"],
        "claims": {name: claims.get(name) for name in ("aud", "tid", "appid", "azp", "roles")},
    }


def main():
    sandbox = here()
    nobody = str(uuid.UUID(int=1))
    report(
        {
            "token": ask(sandbox, sandbox.tenant_id, sandbox.client_id),
            "unknown_tenant": ask(sandbox, nobody, sandbox.client_id),
            "unknown_application": ask(sandbox, sandbox.tenant_id, nobody),
        }
    )


main()
