"""msal: whether Entra ID gives a token for the certificate and key of a PEM file."""

import sys

import msal
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from sandbox import here, report


def main():
    sandbox = here()
    client_id, path = sys.argv[2:4]
    with open(path, encoding="ascii") as file:
        text = file.read()
    end = text.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----\n")
    certificate, key = text[:end], text[end:]
    session = requests.Session()
    session.verify = sandbox.ca
    session.trust_env = False
    application = msal.ConfidentialClientApplication(
        client_id,
        client_credential={"private_key": key, "public_certificate": certificate},
        authority=f"{sandbox.entra}/{sandbox.tenant_id}",
        instance_discovery=False,
        http_client=session,
    )
    answer = application.acquire_token_for_client(["https://graph.microsoft.com/.default"])
    thumbprint = x509.load_pem_x509_certificate(certificate.encode()).fingerprint(hashes.SHA1()).hex()
    report({"thumbprint": thumbprint.upper(), "token": "access_token" in answer, "codes": answer.get("error_codes")})


if __name__ == "__main__":
    main()
