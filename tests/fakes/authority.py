"""A certificate authority in a folder; it signs what it is asked to, with the openssl program."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

CONFIG = "[req]\ndistinguished_name = none\n[none]\n"
KEYS = {
    "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-newkey", "rsa:2048"],
    "weak": ["-newkey", "rsa:1024"],
}


@dataclass(frozen=True)
class Signed:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; its own is in `certificate`."""

    def __init__(self, folder, name="authority"):
        self.folder = folder / name
        self.folder.mkdir()
        (self.folder / "openssl.cnf").write_text(CONFIG)
        own = self._make("ca", f"/CN={name}", "ec", 30, ["basicConstraints=critical,CA:TRUE"])
        self.certificate, self._key = own.certificate, own.key

    def sign(self, name, subject, *extensions, key="ec", days=30, password=None):
        """Make a certificate; one of -1 days has expired."""
        extensions = ["basicConstraints=CA:FALSE", *extensions]
        return self._make(name, subject, key, days, extensions, password)

    def _make(self, name, subject, key, days, extensions, password=None):
        made = Signed(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        wish = self.folder / f"{name}.csr"
        (self.folder / f"{name}.ext").write_text("\n".join(extensions))
        command = ["req", "-new", "-config", self.folder / "openssl.cnf", *KEYS[key]]
        command += ["-passout", f"pass:{password}"] if password else ["-nodes"]
        self._run(*command, "-subj", subject, "-utf8", "-keyout", made.key, "-out", wish)
        signer = ["-signkey", made.key]
        if name != "ca":
            signer = ["-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial"]
        self._run(
            *("x509", "-req", "-in", wish, "-out", made.certificate, "-days", str(days)),
            *("-extfile", self.folder / f"{name}.ext"),
            *signer,
        )
        return made

    def _run(self, *command):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
