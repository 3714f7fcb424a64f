"""A second engine, deliberately small: it performs a plan on the folder store and the embedded record of `alamode`,
one step at a time. Read it with docs/ENGINES.md, whose parts the numbers mean, and record.sql, which has its SQL.

    python3 engine.py STORE RECORD PLAN [TASK…]          Exit: 0 done, 1 a task failed, 2 refused
"""
import os, pathlib, re, secrets, shutil, signal, socket, sqlite3, subprocess, sys, time
from contextlib import closing, contextmanager, suppress
sys.dont_write_bytecode = True  # a program that is only read leaves nothing beside itself
from formats import Failed, Refused, decode, digest, encode, load, spec_of, stamps, tree

UNKNOWN = {"module", "sql", "source", "files", "produces", "expand", "tools"}  # spec keys that change what is made
HARMLESS = {"retries", "backoff", "cpus", "memory", "gpus", "pool", "priority", "publish"}  # options that change nothing

def do(name, /, **values):
    """Executes the statements that record.sql has under a name, and gives the rows of the last."""
    for statement in SQL[name]: rows = db.execute(statement, {**values, "now": now()}).fetchall()
    return rows

def now(): return time.time_ns() // 1_000_000

@contextmanager
def transaction():
    with db: yield db.execute("BEGIN IMMEDIATE")

def begin_run():
    """2. A run lives as long as its lock is held. Nothing else in this process may ever open that file."""
    about = {"plan": digest(encode(plan)), "meta": encode(plan["meta"])}
    for name, task in plan["tasks"].items() if do("note-plan", **about) else ():
        ids = {each: do("note-output", output=bytes.fromhex(id))[0]["id"] for each, id in task["inputs"].items()}
        spec, output = encode(spec_of(task)), bytes.fromhex(task["output"])
        do("note-task", **about, name=name, output=output, spec=spec, digest=digest(spec), inputs=encode(ids))
    os.makedirs(live, exist_ok=True)
    lock = sqlite3.connect(f"{live}/{run}.db", isolation_level=None)
    lock.executescript("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE")
    do("begin-run", **about, run=run, name=str(plan["meta"].get("name", "pipeline")), goals=encode(goals),
       host=host, user=user, pid=os.getpid(), version="engine-python 2")
    return lock

def lives(other):
    """Whether another run's lock is held: one asks by reading, which neither waits nor locks anybody out."""
    file = pathlib.Path(live, f"{other}.db")
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=0)) as its:
            return its.execute("SELECT count(*) FROM sqlite_master").fetchone() is None
    except sqlite3.OperationalError: return file.exists()

def place_of(found): return f"{store}/outputs/{found['location']}"

def intact(found):
    """3. Whether a success has its bytes: they are read if times differ, or if they may not have reached the disk."""
    place, there = place_of(found), False
    if found["store"] != store_id or place.endswith(".place"): raise Refused(f"{place} is data elsewhere")
    with suppress(OSError, Failed):
        there = os.path.exists(place) and not os.path.islink(place)
        surely = found["settled"] or (found["host"], found["boot"]) == (host, boot)
        if there and surely and stamps(place, decode(found["tree"])[0]) == found["stamps"]: return True
        if there and encode(tree(place)) == found["tree"]: return True
    do("mark", success=found["id"], state="damaged" if there else "lost")
    return False

def success(output): return next(filter(intact, do("success", output=bytes.fromhex(output))), None)

def bring(output, as_input=False):
    """3. What is done ends the search; what is stale is done as a goal, and no input. The rest is made, inputs first."""
    while not (found := success(output)) or (as_input and found["stale"]):
        if output not in tasks: raise Refused(f"no task makes {output}, and it is not done")
        name, task = tasks[output]
        asks = UNKNOWN & {*task} | {*plan["meta"].get("options", {}).get(name, {})} - HARMLESS
        asks |= {each for each in task["inputs"] if not re.fullmatch(r"(?!\.\.?$)[^/%\x00-\x1f\x7f]{1,50}", each)}
        if asks or "command" not in task: raise Refused(f"{name} asks for {', '.join(asks) or 'no command'}")
        step(output, name, task, {each: bring(id, as_input=True) for each, id in task["inputs"].items()})
    return found

def step(output, name, task, inputs):
    """4. One attempt, from lease to commit. What came of it is asked of the record again."""
    if not all(map(intact, inputs.values())): return
    read = {each: found["digest"].hex() for each, found in inputs.items()}
    n, path = len(begun) + 1, str(task.get("env", {}).get("PATH", "/usr/local/bin:/usr/bin:/bin"))
    about = {"output": bytes.fromhex(output), "key": digest(encode({"v": 1, "spec": spec_of(task), "inputs": read})),
             "token": secrets.token_hex(16), "slot": f"{store}/tmp/{run}/{n}"}
    with transaction():
        if (found := success(output)) and not found["stale"]: return
        leases = do("leases", **about)
        held = any(lives(lease["run"]) for lease in leases)
        original = None if held else next(filter(intact, do("candidates", **about)), None)
        if original: stand(do("alias", **about, original=original["id"]), inputs)
        elif not held: do("lease", **about, run=run, n=n, task=name, path=path)
    if held: return time.sleep(0.05)
    if original: return print("same", name)
    begun.append(name)
    end = {"token": about["token"], "inputs": encode(read), "log": f"{run}-{n}.log", "kind": None, "message": None}
    try:
        while any(left(lease["slot"]) for lease in leases): time.sleep(0.05)  # what a dead engine had started
        top = execute(task, inputs, path, n, about["slot"])
        if not all(map(intact, inputs.values())): raise Failed("input-damaged", "changed an input")
        kept = keep(output, name, task, read, n, top)
        with transaction():
            stand(do("succeed", **end, **kept), inputs)
            do("end", **end, outcome="success")
        print("ran", name)
    except BaseException as error:
        end["kind"], end["message"] = error.args if isinstance(error, Failed) else ("interrupted", str(error))
        with transaction(): do("end", **end, outcome="failure")
        raise
    finally: shutil.rmtree(about["slot"], ignore_errors=True)

def execute(task, inputs, path, n, slot):
    """5. An empty folder, links to the inputs, a clean environment; and nothing is left when it has ended."""
    for folder in ("work/inputs", "home", "tmp", "out"): os.makedirs(f"{slot}/{folder}")
    for name, found in inputs.items():
        if os.path.exists(f"{place_of(found)}/alamode-env.json"): raise Refused(f"{name} is an environment")
        os.symlink(place_of(found), f"{slot}/work/inputs/{name}")
    env = {"HOME": f"{slot}/home", "TMPDIR": f"{slot}/tmp", "LANG": "C.UTF-8", "TZ": "UTC",
           **{key: str(text) for key, text in task.get("env", {}).items()}, "PATH": path,
           "INPUTS": f"{slot}/work/inputs", "OUTPUT": f"{slot}/out/OUTPUT", "ALAMODE_STEP": f"{run}/{run}-{n}"}
    alive = os.mkfifo(f"{slot}/alive") or os.open(f"{slot}/alive", os.O_RDWR)
    with open(f"{store}/logs/{run}-{n}.log", "wb") as log:
        command = subprocess.Popen(
            argv_of(task), cwd=f"{slot}/work", env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            pass_fds=[alive], start_new_session=True, preexec_fn=lambda: watch(os.getpid()))
    os.close(alive)
    try:
        code, patience = command.wait(), time.monotonic() + 1
        while (survives := left(slot, command.pid)) and time.monotonic() < patience: time.sleep(0.005)
    finally:
        with suppress(ProcessLookupError): os.killpg(command.pid, signal.SIGKILL)
        watch("")
    if code: raise Failed(*(("exit", f"exit {code}") if code > 0 else ("signal", f"killed by signal {-code}")))
    if survives: raise Failed("left-process", "left processes running (exit 0)")
    if not os.path.lexists(env["OUTPUT"]): raise Failed("no-output", "made nothing at $OUTPUT (exit 0)")
    return env["OUTPUT"]

def left(slot, group=None):
    """Whether anything of a step is still there: in its group, or with its FIFO open, which all of it inherits."""
    with suppress(ProcessLookupError):
        if group: return os.killpg(group, 0) is None
    with suppress(FileNotFoundError), open(os.open(f"{slot}/alive", os.O_RDONLY | os.O_NONBLOCK), "rb", 0) as fifo:
        return fifo.read(1) is None

def argv_of(task): return task["command"] if isinstance(task["command"], list) else ["/bin/sh", "-ec", task["command"]]

def keep(output, name, task, read, n, top):
    """6, 7. Sealed and hashed; a receipt; and moved, never over anything. Gives what the record is to know."""
    entries = tree(top, seal=True)
    made, files = encode(entries), [entry for entry in entries.values() if "size" in entry]
    about = {"id": f"{run}-{n}", "task": name, "argv": argv_of(task), "host": host, "user": user, "ended": now()}
    note = encode({"n": n - 1, "output": output, "spec": spec_of(task), "inputs": task["inputs"], "digests": read,
                   "digest": digest(made).hex(), "tree": made, "execution": {**about, "isolation": "none"}})
    with open(f"{store}/receipts/{run}", "ab") as file: file.write(b"%d:%s%s" % (len(note), note, digest(note)))
    location = f"{output[:2]}/{output}.{digest(made).hex()[:16]}"
    place = f"{store}/outputs/{location}"
    while not move(top, place) and tree(place) != entries:  # by its name it should be this tree: it was damaged
        os.rename(place, f"{place}.aside-{secrets.token_hex(4)}")
    if os.path.isdir(place): os.chmod(place, 0o555)
    return {"digest": digest(made), "tree": made, "location": location, "store": store_id, "host": host,
            "boot": boot, "size": sum(entry["size"] for entry in files), "files": len(files),
            "stamps": stamps(place, entries)}

def move(top, place):
    """False where something lies: neither a link nor the renaming of a folder replaces what holds anything."""
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with suppress(OSError): return (os.rename if os.path.isdir(top) else os.link)(top, place) is None

def stand(written, inputs):
    """8. A new success takes its place, if it is to have one. Without a row in `written` the lease is lost."""
    if not written: raise Failed("engine", "the lease is lost")
    for name, found in inputs.items(): do("read", success=written[0]["id"], name=name, input=found["id"])
    do("stand", success=written[0]["id"])
    while do("valid-again", success=written[0]["id"]): pass

sys.setrecursionlimit(1_000_000)
store, record, file, *goals = sys.argv[1:]
store, record = os.path.realpath(store), os.path.realpath(record)
live, run, begun = f"{os.path.dirname(record)}/live", secrets.token_hex(8), []
host, user, boot = socket.gethostname(), str(os.getuid()), ""
with suppress(OSError): boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
_, *parts = re.split(r"(?m)^-- name: (\S+)\n", pathlib.Path(__file__).with_name("record.sql").read_text())
SQL = {name: text.strip().removesuffix(";").split(";\n") for name, text in zip(parts[::2], parts[1::2])}
# Once its input ends, for this process is no more, it kills the group of the step at work, which it is told of.
script = 'while read -r next; do group=$next; done; [ -z "$group" ] || kill -s KILL -- "-$group"'
watcher = subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE, start_new_session=True)
def watch(group): os.write(watcher.stdin.fileno(), f"{group}\n".encode())
lock, status, code = None, "interrupted", 130
try:
    plan = load(file)
    tasks = {task["output"]: (name, task) for name, task in plan["tasks"].items()}
    inner = {id for _, task in tasks.values() for id in task["inputs"].values()}
    store_id = pathlib.Path(store, "id").read_text().strip()
    db = sqlite3.connect(f"{pathlib.Path(record).as_uri()}?mode=rw", uri=True, timeout=30, isolation_level=None)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA synchronous = NORMAL")  # what is not settled is read again after a loss of power
    if tuple(do("version")[0]) != (1, 0x616c616d): raise Refused(f"{record} is no record of schema 1")
    with transaction(): lock = begin_run()
    for output in [plan["tasks"][name]["output"] for name in goals] or sorted({*tasks} - inner): bring(output)
    status, code = "done", 0
except Failed as failure:
    status, code = "failed", print(f"failed: {failure.args[1]}") or 1
except (Refused, KeyError, OSError, ValueError, sqlite3.Error) as error:
    status, code = "failed", print(f"refused: {error}; alamode may do it") or 2
finally:
    if lock:
        do("end-run", run=run, status=status)
        shutil.rmtree(f"{store}/tmp/{run}", ignore_errors=True)
        os.unlink(f"{live}/{run}.db")  # first: a lock that is free says that its run was killed
        lock.close()
sys.exit(code)
