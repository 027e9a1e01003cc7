#!/usr/bin/env python3
"""Writes a container image of one layer as a tar that containerd, docker and kind can load. Needs no container engine.

    image.py OUT.tar NAME:TAG [--user UID:GID] [--libs] /entrypoint=FILE [/path=FILE…]

The first file is the entry point. All files belong to root. --libs adds the shared libraries that the entry point is
linked with, its loader included. The same files give the same image, byte for byte.
A TAG that ends in "-HASH" gets the content's hash there; the image's full name is printed.
"""
import argparse
import hashlib
import io
import json
import os
import platform
import re
import subprocess
import tarfile

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def libraries(binary):
    """(path in the image, file) of what the loader would load for a binary; empty for a static one."""
    listed = subprocess.run(["ldd", binary], capture_output=True, text=True).stdout
    return [(path, path) for path in sorted(set(re.findall(r"(/\S+) \(0x", listed)))]


def folders(paths):
    """Every folder above the paths, parents first."""
    found = set()
    for path in paths:
        parts = path.strip("/").split("/")[:-1]
        found.update("/".join(parts[: depth + 1]) for depth in range(len(parts)))
    return sorted(found)


def entry(name, size=0, mode=0o644, kind=tarfile.REGTYPE):
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.type = size, mode, kind
    return info


def layer(files):
    """The tar of the image's file system."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in folders(path for path, _ in files):
            tar.addfile(entry(folder, mode=0o755, kind=tarfile.DIRTYPE))
        # a process that is not root hangs on a /tmp that it may not write to
        tar.addfile(entry("tmp", mode=0o1777, kind=tarfile.DIRTYPE))
        for path, source in files:
            mode = 0o755 if os.access(source, os.X_OK) else 0o644
            with open(source, "rb") as content:
                tar.addfile(entry(path.strip("/"), os.stat(source).st_size, mode), content)
    return out.getvalue()


def write(out, name, user, entrypoint, data):
    """The archive as `docker save` would write it."""
    config = {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": {"Entrypoint": [entrypoint], "User": user, "WorkingDir": "/", "Env": ["PATH=/usr/bin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(data).hexdigest()]},
    }
    config = json.dumps(config).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]
    parts = {"layer.tar": data, config_name: config, "manifest.json": json.dumps(manifest).encode()}
    with tarfile.open(out + ".new", "w") as tar:
        for path, content in parts.items():
            tar.addfile(entry(path, len(content)), io.BytesIO(content))
    os.replace(out + ".new", out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("name")
    parser.add_argument("files", nargs="+", metavar="/path=FILE")
    parser.add_argument("--user", default="")
    parser.add_argument("--libs", action="store_true")
    args = parser.parse_args()
    files = [tuple(word.split("=", 1)) for word in args.files]
    entrypoint, binary = files[0]
    if args.libs:
        files += libraries(binary)
    data = layer(files)
    name = re.sub("-HASH$", "-" + hashlib.sha256(data).hexdigest()[:12], args.name)
    write(args.out, name, args.user, entrypoint, data)
    print(name)


main()
