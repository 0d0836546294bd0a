"""msal: tokens with a certificate, in both forms that it signs with, and the refusal of a key that is not registered."""

import msal
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import jwt
from sandbox import here, report

SCOPE = ["https://graph.microsoft.com/.default"]


class Listening(requests.Session):
    """Keeps the client assertion that msal made."""

    def __init__(self, ca):
        super().__init__()
        self.verify = ca
        # Otherwise REQUESTS_CA_BUNDLE wins over `verify`.
        self.trust_env = False
        self.assertion_header = None

    def post(self, url, data=None, **options):
        if "client_assertion" in (data or {}):
            assertion = data["client_assertion"]
            text = assertion.decode() if isinstance(assertion, bytes) else assertion
            self.assertion_header = jwt.get_unverified_header(text)
        return super().post(url, data=data, **options)


def ask(sandbox, credential):
    session = Listening(sandbox.ca)
    application = msal.ConfidentialClientApplication(
        sandbox.client_id,
        client_credential=credential,
        authority=f"{sandbox.entra}/{sandbox.tenant_id}",
        instance_discovery=False,
        http_client=session,
    )
    answer = application.acquire_token_for_client(SCOPE)
    seen = {"assertion": {name: session.assertion_header.get(name) for name in ("alg", "x5t", "x5t#S256")}}
    if "access_token" in answer:
        claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
        again = application.acquire_token_for_client(SCOPE)
        seen["token_type"] = answer["token_type"]
        seen["expires_in"] = answer["expires_in"]
        seen["claims"] = {name: claims.get(name) for name in ("aud", "iss", "tid", "appid", "azp", "roles")}
        seen["cached"] = again.get("token_source") == "cache"
    else:
        seen["refusal"] = {name: answer.get(name) for name in ("error", "error_codes", "error_description")}
    return seen


def main():
    sandbox = here()
    certificate, key = sandbox.certificate_and_key()
    parsed = x509.load_pem_x509_certificate(certificate.encode())
    thumbprint = parsed.fingerprint(hashes.SHA1()).hex()
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    report(
        {
            "public_certificate": ask(sandbox, {"private_key": key, "public_certificate": certificate}),
            "thumbprint": ask(sandbox, {"private_key": key, "thumbprint": thumbprint}),
            "wrong_key": ask(
                sandbox, {"private_key": stranger.decode(), "public_certificate": certificate}
            ),
            "unknown_certificate": ask(sandbox, {"private_key": key, "thumbprint": "00" * 20}),
        }
    )


main()
