"""What the scripts in this folder share: where the sandbox is, and how they report.

Each of them is called with one argument, the file that holds the line `hybridge sandbox --json` printed, and
prints one line of JSON about what it saw. What it should have seen is known to tests/clients.rs alone.
"""

import faulthandler
import json
import pathlib
import socket
import ssl
import sys

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
PATIENCE_SECONDS = 120


def stay_on_this_machine():
    """Makes every look-up of another host fail: a library that calls home by itself is found out."""
    look_up = socket.getaddrinfo

    def guarded(host, *arguments, **options):
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and name not in LOOPBACK:
            raise OSError(f"this test must not reach {name}")
        return look_up(host, *arguments, **options)

    socket.getaddrinfo = guarded


class Sandbox:
    """The description of a running sandbox."""

    def __init__(self, description):
        self.tenant_id = description["tenant_id"]
        self.client_id = description["client_id"]
        # The libraries put the version or the tenant behind these themselves.
        self.entra = description["entra"].rstrip("/")
        self.graph = description["graph"].rstrip("/")
        self.ca = description["ca"]
        self.pem = description["pem"]
        self.mailboxes = [mailbox["address"] for mailbox in description["mailboxes"]]

    def trust(self):
        """TLS that trusts the sandbox's certificate authority and nothing else."""
        return ssl.create_default_context(cafile=self.ca)

    def certificate_and_key(self):
        """The registered certificate and its private key, each as PEM text."""
        text = pathlib.Path(self.pem).read_text()
        blocks = {}
        for block in text.split("-----BEGIN ")[1:]:
            label = block.split("-----", 1)[0]
            blocks[label] = f"-----BEGIN {block.split(f'-----END {label}-----')[0]}-----END {label}-----\n"
        key = next(text for label, text in blocks.items() if label.endswith("PRIVATE KEY"))
        return blocks["CERTIFICATE"], key


def here():
    """The sandbox that the script was called with."""
    # A script that hangs ends with the stack it hangs in.
    faulthandler.dump_traceback_later(PATIENCE_SECONDS, exit=True)
    stay_on_this_machine()
    return Sandbox(json.loads(pathlib.Path(sys.argv[1]).read_text()))


def report(seen):
    """Says what was seen."""
    print(json.dumps(seen))
