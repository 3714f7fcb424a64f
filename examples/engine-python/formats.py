"""Plan files, trees and places in a folder store, as docs/FORMAT.md tells them. Knows no record."""
import os, re, shutil, stat, struct
from contextlib import suppress
from hashlib import sha256

class Refused(Exception): "The plan, the store or the record is not one that this engine can go on with."

class Failed(Exception): "A task's failure: its kind, and a message."

def encode(value):
    if isinstance(value, int): return b"i%de" % value
    if isinstance(value, str): value = value.encode()
    if isinstance(value, bytes): return b"%d:%s" % (len(value), value)
    if isinstance(value, list): return b"l%se" % b"".join(map(encode, value))
    return b"d%se" % b"".join(encode(key) + encode(value[key]) for key in sorted(value))

def decode(data):
    def value_at(at):
        mark = data[at:at + 1]
        if mark == b"i":
            end = data.index(b"e", at)
            return int(data[at + 1:end]), end + 1
        if mark in (b"l", b"d"):
            items, at = [], at + 1
            while data[at:at + 1] != b"e":
                item, at = value_at(at)
                items.append(item)
            return (items if mark == b"l" else dict(zip(items[::2], items[1::2]))), at + 1
        colon = data.index(b":", at)
        end = colon + 1 + int(data[at:colon])
        with suppress(UnicodeDecodeError): return data[colon + 1:end].decode(), end
        return data[colon + 1:end], end
    value = value_at(0)[0]
    if encode(value) != data: raise ValueError("it is not canonical bencode")  # the one test that finds every way not to be
    return value

def digest(data): return sha256(data).digest()

def load(path):
    """The tasks of a plan file by name, every ID computed again, and the whole plan."""
    with open(path, "rb") as file: data = file.read()
    plan = decode(data)
    if sorted(plan) != ["meta", "tasks"]: raise Refused(f"{path} is no plan")
    for name, task in plan["tasks"].items():
        if digest(encode({key: task[key] for key in task if key != "output"})).hex() != task["output"]:
            raise Refused(f"the output of {name} in {path} is not what its spec and inputs come to")
    return plan, digest(data)

def look(top, seal=False, in_place=False):
    """The tree at `top` and the stamps of its entries. Sealing closes each file before it is read, and refuses what cannot be kept."""
    tree, stamps = {}, {}
    def add(path):
        place = os.path.join(top, path) if path else top
        found = os.lstat(place)
        if stat.S_ISLNK(found.st_mode):
            target = os.readlink(place)
            if seal: judge_link(path, target)
            tree[path] = {"link": target}
        elif stat.S_ISREG(found.st_mode):
            if seal and found.st_nlink > 1:  # another name, perhaps outside, could change it later
                shutil.copy2(place, place + ".own"); os.replace(place + ".own", place)
            if seal: os.chmod(place, 0o555 if found.st_mode & 0o100 else 0o444)
            found, content = os.lstat(place), sha256()
            with open(place, "rb") as file:
                for chunk in iter(lambda: file.read(1 << 20), b""): content.update(chunk)
            executable = 0 if in_place else found.st_mode >> 6 & 1
            tree[path] = {"executable": executable, "sha256": content.hexdigest(), "size": found.st_size}
        elif stat.S_ISDIR(found.st_mode):
            if path: tree[path] = {"folder": 1}
            for name in os.listdir(place): add(os.path.join(path, name))
            if seal and path: os.chmod(place, 0o555)
        else: raise Failed("bad-output", f"{path or '$OUTPUT'} is no file, folder or link")
        if path or stat.S_ISREG(found.st_mode): stamps[path] = stamp(place)
    def judge_link(path, target):
        depth, down = path.count("/"), False
        for name in target.split("/"):
            if name not in ("", ".", ".."): depth, down = depth + 1, True
            elif name == "..": depth -= 1
            if depth < 0 or (down and name == "..") or not path or target.startswith("/"):
                raise Failed("bad-output", f"{path or '$OUTPUT'} is a link that leaves the output, or winds: {target}")
    add("")
    return tree, stamps

def stamp(place):
    found = os.lstat(place)
    return struct.pack("<qq", found.st_mtime_ns, 0 if stat.S_ISDIR(found.st_mode) else found.st_size)

def stamps_of(place, tree, known=None):
    """What the record notes of a tree's times and sizes: its entries in order, then its top folder."""
    each = [known[path] if known and path else stamp(os.path.join(place, path) if path else place) for path in sorted(tree)]
    return b"".join(each) + (b"" if "" in tree else stamp(place))

def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        os.chmod(path, 0o755)
        for folder, names, _ in os.walk(path):
            for name in names:
                if not os.path.islink(os.path.join(folder, name)): os.chmod(os.path.join(folder, name), 0o755)
        shutil.rmtree(path)
    elif os.path.lexists(path): os.unlink(path)

def move(top, tree, place):
    """Moves a sealed tree, never over anything. False where something lies."""
    os.makedirs(os.path.dirname(place), exist_ok=True)
    try:
        if "" in tree: os.link(top, place); os.unlink(top)
        elif tree: os.rename(top, place)  # refuses a folder that holds anything
        else: os.mkdir(place); os.rmdir(top)
    except (FileExistsError, NotADirectoryError): return False
    except OSError as error:
        if error.errno != 39 and error.errno != 66: raise  # ENOTEMPTY of Linux and of macOS
        return False
    if "" not in tree: os.chmod(place, 0o555)
    return True

def input_file(name):
    if name == "": return "%"
    if name in (".", ".."): return name.replace(".", "%2E")
    escaped = re.sub(r"[/%\x00-\x1f\x7f]", lambda found: "%%%02X" % ord(found[0]), name)
    if len(escaped.encode()) <= 200: return escaped
    prefix = escaped.encode()[:183].decode(errors="ignore")
    return f"{prefix}~{sha256(name.encode()).hexdigest()[:16]}"
