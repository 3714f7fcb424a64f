# Installs the packages of a requirements file into $OUTPUT. This is the program of a task that pythonEnv() describes: it lies
# beside that file, is hashed with it, and knows nothing of who runs it. Needs Python 3.8 or later, with pip.
import compileall
import json
import os
import platform
import py_compile
import re
import shutil
import subprocess
import sys

output = os.environ["OUTPUT"]
lib, bin = os.path.join(output, "lib"), os.path.join(output, "bin")
wanted = [word[len("--platform="):] for word in sys.argv if word.startswith("--platform=")]
python, requirements = [word for word in sys.argv[1:] if not word.startswith("--platform=")]


def give_up(message):
    sys.exit("pythonEnv: " + message)


def this_platform():
    """As `uname` says it: linux-x86_64, darwin-arm64; with -musl where the C library is that."""
    musl = platform.system() == "Linux" and platform.libc_ver()[0] != "glibc"
    return platform.system().lower() + "-" + platform.machine() + ("-musl" if musl else "")


def files_below(folder):
    for here, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield os.path.join(here, name)


def is_native(path):
    """Whether a file is a program or library of one system: ELF, or either form of Mach-O."""
    if not (os.access(path, os.X_OK) or re.search(r"\.(so|dylib)($|\.)", path)):
        return False
    with open(path, "rb") as file:
        return file.read(4).hex() in ("7f454c46", "cffaedfe", "cefaedfe", "cafebabe")


def install():
    env = dict(os.environ, PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0", PIP_ROOT_USER_ACTION="ignore")
    if not os.access(env.get("HOME", "/"), os.W_OK):
        env["HOME"] = env.get("TMPDIR", "/tmp")  # pip keeps what it fetched below HOME
    env.setdefault("PIP_RETRIES", "2")  # an index that cannot be reached is told of within seconds
    call = [sys.executable, "-m", "pip", "install", "--target", lib, "--no-compile", "--no-input"]
    call += ["--disable-pip-version-check", "--progress-bar", "off", "-r", requirements]
    pip = subprocess.Popen(call, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = errors = ""  # what pip says of its failure is kept back: one line tells more where that is enough
    for line in pip.stdout:
        text = line.decode("utf-8", "replace")
        said = (said + text)[-65536:]
        if text.startswith(("ERROR:", "WARNING: Retrying")):
            errors += text
        else:
            sys.stderr.write(text)
    code = pip.wait()
    if code == 0:
        return
    if "No module named pip" in said:
        give_up("%s has no pip. Install it (Debian: python3-pip), or name another Python." % sys.executable)
    offline = r"NewConnectionError|NameResolutionError|Failed to establish|Name or service not known|ProxyError|timed out"
    if re.search(offline, said):
        give_up("the packages could not be fetched: the index of pip's configuration cannot be reached.")
    sys.stderr.write(errors)
    if "(from versions: none)" in said:
        give_up("the index of pip's configuration has no such package, or cannot be reached.")
    if "DO NOT MATCH THE HASHES" in said:
        give_up("a package is not the one that is required: its hash differs.")
    give_up("pip install failed (exit %d)." % code)


def move_scripts():
    """Console scripts begin with the path of this Python; they are to run with the one that a task finds."""
    found = os.path.join(lib, "bin")
    if not os.path.isdir(found):
        return
    shutil.move(found, bin)
    first = b"#!" + (python if python.startswith("/") else "/usr/bin/env " + python).encode() + b"\n"
    direct = re.compile(rb"\A#![^\n]*python[^\n]*\n")
    through_shell = re.compile(rb"\A#!/bin/sh\n'''exec' [^\n]*\n' '''\n")  # where the path was too long
    for path in files_below(bin):
        with open(path, "rb") as file:
            content = file.read()
        changed = through_shell.sub(first, direct.sub(first, content, count=1), count=1)
        if changed != content:
            with open(path, "wb") as file:
                file.write(changed)


def same_everywhere():
    """Leaves out what differs from one installation to the next: digests of scripts, and who installed."""
    for path in files_below(lib):
        if os.path.basename(path) == "RECORD" and path.endswith(".dist-info/RECORD"):
            with open(path, newline="") as file:
                lines = [line for line in file if not line.startswith(("../", "/")) and "/INSTALLER," not in line]
            with open(path, "w", newline="") as file:
                file.writelines(sorted(lines))
        elif os.path.basename(path) == "INSTALLER" and path.endswith(".dist-info/INSTALLER"):
            os.remove(path)


if wanted and wanted[0] != this_platform():
    give_up("this environment is for %s, and this machine is %s. Install it on such a machine." % (wanted[0], this_platform()))
os.mkdir(lib)
install()
move_scripts()
same_everywhere()
# Compiled once, and never written to again: results are read-only, and root may write to them all the same.
compileall.compile_dir(lib, ddir="lib", maxlevels=100, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
environment = {"variables": {"PYTHONPATH": ["lib"], "PYTHONDONTWRITEBYTECODE": "1"}}
if os.path.isdir(bin):
    environment["variables"]["PATH"] = ["bin"]
if any(is_native(path) for path in files_below(output)):
    environment["platform"] = this_platform()
with open(os.path.join(output, "alamode-env.json"), "w") as file:
    file.write(json.dumps(environment, indent=2, sort_keys=True) + "\n")
