"""Self-signed certificates, made by the openssl command."""
import os
import ssl
import subprocess
import tempfile


def self_signed(hostname, days=2):
    """(certificate, key) as PEM bytes; P-256, because keys of RSA take too long to make by the hundred. No authority: there
    are clients that take none for a server."""
    with tempfile.TemporaryDirectory(prefix="paifang-cert-") as folder:
        cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", str(days), "-subj", f"/CN={hostname}", "-addext", f"subjectAltName=DNS:{hostname}",
                        "-addext", "basicConstraints=critical,CA:FALSE",
                        "-keyout", key, "-out", cert], check=True, capture_output=True, timeout=30)
        with open(cert, "rb") as one, open(key, "rb") as other:
            return one.read(), other.read()


def der(certificate):
    """The bytes that a client is shown of a certificate."""
    return ssl.PEM_cert_to_DER_cert(certificate[0].decode())
