"""Plan files and trees, as docs/FORMAT.md tells of them."""
import hashlib, os, stat, struct

class Refused(Exception): "What this engine does not perform. It says nothing about a task."

class Failed(Exception): "A task's failure: its kind, and a message."

def encode(value):
    if isinstance(value, int): return b"i%de" % value
    if isinstance(value, str): value = value.encode()
    if isinstance(value, bytes): return b"%d:%s" % (len(value), value)
    if isinstance(value, list): return b"l%se" % b"".join(map(encode, value))
    return b"d%se" % b"".join(encode(key) + encode(value[key]) for key in sorted(value))

def decode(data, at=0):
    """The value that begins there, and where it ends."""
    kind = data[at:at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1:end]), end + 1
    if kind in (b"l", b"d"):
        items, at = [], at + 1
        while data[at:at + 1] != b"e":
            item, at = decode(data, at)
            items.append(item)
        return (items if kind == b"l" else dict(zip(items[::2], items[1::2]))), at + 1
    start = data.index(b":", at) + 1
    end = start + int(data[at:start - 1])
    try: return data[start:end].decode(), end
    except UnicodeDecodeError: return data[start:end], end

def digest(data): return hashlib.sha256(data).digest()

def spec_of(task): return {key: task[key] for key in task if key not in ("inputs", "output")}

def load(path):
    """A plan, each ID of which is computed again."""
    with open(path, "rb") as file: data = file.read()
    plan, _ = decode(data)
    if encode(plan) != data: raise Refused(f"{path} is not canonical bencode")  # finds every way not to be
    for name, task in plan["tasks"].items():
        if digest(encode({**spec_of(task), "inputs": task["inputs"]})).hex() != task["output"]:
            raise Refused(f"the output of {name} is not what its spec and inputs come to")
    return plan

def tree(top, seal=False, path=""):
    """What lies there. To seal it, all of it is closed before it is read, and what has other names is refused."""
    place = os.path.join(top, path).rstrip("/")
    found = os.lstat(place)
    if stat.S_ISDIR(found.st_mode):
        entries = {path: {"folder": 1}} if path else {}
        for name in os.listdir(place): entries.update(tree(top, seal, os.path.join(path, name)))
        if seal: os.chmod(place, 0o555 if path else 0o755)
        return entries
    if stat.S_ISLNK(found.st_mode) and not seal: return {path: {"link": os.readlink(place)}}
    if not stat.S_ISREG(found.st_mode) or (seal and found.st_nlink > 1):
        raise Failed("bad-output", f"{path or '$OUTPUT'} is a link, has another name, or is no file")
    if seal: os.chmod(place, 0o555 if found.st_mode & 0o100 else 0o444)
    with open(place, "rb") as file: content = hashlib.file_digest(file, "sha256").hexdigest()
    return {path: {"executable": found.st_mode >> 6 & 1, "sha256": content, "size": found.st_size}}

def stamps(top, entries):
    """Times and sizes of a tree's entries in their order, then of its top folder: a change is seen without reading."""
    def stamp(path):
        found = os.lstat(os.path.join(top, path).rstrip("/"))
        return struct.pack("<qq", found.st_mtime_ns, 0 if stat.S_ISDIR(found.st_mode) else found.st_size)
    return b"".join(map(stamp, sorted(entries) + ([] if "" in entries else [""])))
