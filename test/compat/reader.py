"""Reads plan files, trees and receipts as docs/FORMAT.md tells them, with nothing but Python's standard library.

    reader.py plan FILE     task name -> inputs and output; every ID is computed again
    reader.py tree PATH     the digest of what lies at PATH
    reader.py store DIR     location -> what a receipt says of the tree that lies there, which is hashed

Several arguments give one line of JSON each. What is not in the format ends it with a message and exit code 1.
Strings, and so the keys of maps, are bytes throughout.
"""
import json, os, re, stat, sys
from hashlib import sha256

INTEGER = re.compile(rb"i(0|-?[1-9][0-9]{0,999999})e")
LENGTH = re.compile(rb"(0|[1-9][0-9]{0,15}):")

def decode(data):
    value, end = value_at(data, 0)
    check(end == len(data), f"bytes follow the value at {end}")
    return value

def value_at(data, at, depth=0):
    check(depth <= 500, "lists and maps are too deep")
    mark = data[at:at + 1]
    if mark == b"i":
        found = INTEGER.match(data, at)
        check(found, f"no integer at {at}")
        return int(found[1]), found.end()
    if mark in (b"l", b"d"):
        items, at = [], at + 1
        while data[at:at + 1] != b"e":
            item, at = value_at(data, at, depth + 1)
            items.append(item)
        return (items if mark == b"l" else map_of(items)), at + 1
    found = LENGTH.match(data, at)
    check(found and found.end() + int(found[1]) <= len(data), f"no value at {at}")
    end = found.end() + int(found[1])
    return data[found.end():end], end

def map_of(items):
    keys = items[::2]
    check(len(items) % 2 == 0 and all(isinstance(key, bytes) for key in keys), "not a map")
    check(all(a < b for a, b in zip(keys, keys[1:])), "keys are not in order")
    [key.decode() for key in keys]
    return dict(zip(keys, items[1::2]))

def encode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l%se" % b"".join(map(encode, value))
    return b"d%se" % b"".join(encode(key) + encode(value[key]) for key in sorted(value))

def digest(data):
    return sha256(data).hexdigest().encode()

def read_plan(path):
    plan = decode(read(path))
    check(list(plan) == [b"meta", b"tasks"], "not a plan")
    for name, task in plan[b"tasks"].items():
        hashed = {key: value for key, value in task.items() if key != b"output"}
        check(digest(encode(hashed)) == task[b"output"], f"the output of {name.decode()} is another")
    return {name: {b"inputs": task[b"inputs"], b"output": task[b"output"]} for name, task in plan[b"tasks"].items()}

def tree_at(top, path=b""):
    place = os.path.join(top, path) if path else top
    mode = os.lstat(place).st_mode
    if stat.S_ISLNK(mode):
        return {path: {b"link": os.readlink(place)}}
    if stat.S_ISREG(mode):
        content = read(place)
        return {path: {b"executable": mode >> 6 & 1, b"sha256": digest(content), b"size": len(content)}}
    tree = {path: {b"folder": 1}} if path else {}
    for name in os.listdir(place):
        tree.update(tree_at(top, os.path.join(path, name)))
    return tree

def notes_in(path):
    data, at = read(path), 0
    while found := LENGTH.match(data, at):
        end = found.end() + int(found[1])
        note, at = data[found.end():end], end + 32
        if sha256(note).digest() != data[end:at]:
            return
        yield decode(note)

def read_store(top):
    found = {}
    for run in os.listdir(os.path.join(top, b"receipts")):
        for n, note in enumerate(notes_in(os.path.join(top, b"receipts", run))):
            output, spec, tree = note[b"output"], note[b"spec"], note[b"digest"]
            check(note[b"n"] == n and digest(note[b"tree"]) == tree, "a note contradicts itself")
            task = digest(encode({**spec, b"inputs": note[b"inputs"]}))
            key = digest(encode({b"v": 1, b"spec": spec, b"inputs": note[b"digests"]}))
            if b"expands" in note:
                check(task == note[b"expands"], "a note names the wrong expander")
                task, key = digest(encode({b"expansion": task})), digest(encode({b"v": 1, b"expansion": key}))
            check(task == output, "a note has the wrong output")
            for location in (output[:2] + b"/" + output, output[:2] + b"/" + output + b"." + tree[:16]):
                place = os.path.join(top, b"outputs", location)
                if os.path.lexists(place) and digest(encode(tree_at(place))) == tree:
                    found[location] = {b"tree": tree, b"resolvedKey": key, b"execution": note[b"execution"][b"id"]}
    return found

def read(path):
    with open(path, "rb") as file:
        return file.read()

def check(holds, message):
    if not holds:
        raise ValueError(message)

def plain(value):
    return {plain(k): plain(v) for k, v in value.items()} if isinstance(value, dict) else os.fsdecode(value)

if __name__ == "__main__":
    action = {"plan": read_plan, "tree": lambda path: digest(encode(tree_at(path))), "store": read_store}[sys.argv[1]]
    for argument in sys.argv[2:]:
        try:
            print(json.dumps(plain(action(os.fsencode(argument)))))
        except ValueError as error:
            sys.exit(f"{argument}: {error}")
