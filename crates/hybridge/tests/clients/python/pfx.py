"""Writes PFX files with Python's cryptography, or reads one: what `hybridge certificate` is held against.

pfx.py write FOLDER PASSWORD-FILE    own.pem and own.key become python-modern.pfx and python-legacy.pfx
pfx.py read FILE PASSWORD-FILE       what is in the file
"""

import json
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12


def write(folder, password):
    key = serialization.load_pem_private_key((folder / "own.key").read_bytes(), None)
    certificate = x509.load_pem_x509_certificate((folder / "own.pem").read_bytes())
    issuer = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    legacy = (
        PrivateFormat.PKCS12.encryption_builder()
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())
        .build(password)
    )
    modern = serialization.BestAvailableEncryption(password)
    for name, encryption in [("python-modern.pfx", modern), ("python-legacy.pfx", legacy)]:
        made = pkcs12.serialize_key_and_certificates(b"own", key, certificate, [issuer], encryption)
        (folder / name).write_bytes(made)
    return {"thumbprint": certificate.fingerprint(hashes.SHA1()).hex().upper()}


def read(file, password):
    key, certificate, issuers = pkcs12.load_key_and_certificates(file.read_bytes(), password)
    return {
        "thumbprint": certificate.fingerprint(hashes.SHA1()).hex().upper(),
        "pair": key.public_key().public_numbers() == certificate.public_key().public_numbers(),
        "issuers": len(issuers),
    }


action, path, password_file = sys.argv[1:]
secret = pathlib.Path(password_file).read_text().strip().encode()
print(json.dumps({"write": write, "read": read}[action](pathlib.Path(path), secret)))
