"""A second engine, deliberately small: one step at a time, on the same folder store and embedded record as `alamode`.

    python3 engine.py --store DIR --record FILE PLAN [TASK…]

It needs Python 3.8 or later and its standard library; store and record are there already. It performs `command` with `files`, `env`
and `produces`. What else a task asks for it refuses, before anything runs; what is done already it reuses, whoever made it. How it
works, and which promises it keeps, is in docs/ENGINES.md; the SQL is in record.sql. Exit: 0 done, 1 a task failed, 2 refused, 130 stopped.
"""
import argparse, os, re, secrets, shutil, signal, socket, sqlite3, subprocess, sys, time
from contextlib import closing, contextmanager, suppress
sys.dont_write_bytecode = True  # a program that is only read leaves nothing beside itself
from formats import Failed, Refused, decode, digest, encode, input_file, load, look, move, remove, stamps_of

sys.setrecursionlimit(10_000)
parts = re.split(r"(?m)^-- name: (\S+)\n", open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "record.sql")).read())
SQL = dict(zip(parts[1::2], parts[2::2]))
REFUSED = {"module", "source", "expand", "tools"}  # spec keys that change what is made; any others are carried and hashed
IGNORED = {"retries", "backoff", "cpus", "memory", "gpus", "pool", "priority", "publish"}  # options that change nothing but when
NOT_THE_TASKS = {"interrupted", "timeout", "memory", "abandoned", "source-changed", "source-unavailable", "store-unavailable"}

def held(slot):
    """Whether any process still holds the slot's FIFO open for writing, as all processes of its step do."""
    try: reader = os.open(f"{slot}/alive", os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError: return False
    try: return os.read(reader, 1) != b""
    except BlockingIOError: return True
    finally: os.close(reader)

def watch():
    """Starts a process, in a session of its own, that ends the step at work once this engine has died; the pipe tells it the group."""
    read, write = os.pipe()
    if os.fork(): os.close(read); return write
    os.setsid(); os.close(write)
    group = 0
    for line in os.fdopen(read): group = int(line)
    with suppress(ProcessLookupError):
        if group: os.killpg(group, signal.SIGKILL)
    os._exit(0)

class Engine:
    def __init__(self, store, record, plan, planned):
        self.watcher = watch()  # first: it is to inherit nothing
        self.store, self.record, self.meta = os.path.realpath(store), os.path.realpath(record), plan["meta"]
        self.names, self.tasks = {}, {}
        for name, task in plan["tasks"].items():
            self.names.setdefault(task["output"], name); self.tasks[task["output"]] = task
        self.run, self.host, self.n, self.counts = secrets.token_hex(8), socket.gethostname(), 0, dict.fromkeys(["ran", "same", "reused"], 0)
        self.failed, self.awaited, self.receipts = {}, {}, 0
        self.user = os.environ.get("USER") or str(os.getuid())
        self.boot, self.owned = "", False
        with suppress(OSError): self.boot = open("/proc/sys/kernel/random/boot_id").read().strip()
        try: self.store_id = open(f"{self.store}/id").read().strip()
        except OSError: raise Refused(f"{store} is no store: alamode makes one")
        self.db = sqlite3.connect(f"file:{self.record}?mode=rw", uri=True, timeout=30, isolation_level=None)
        self.db.execute("PRAGMA synchronous = NORMAL")  # what is not settled is hashed again after a loss of power
        if self.one("version") != (1, 0x616c616d): raise Refused(f"{record} is no record of schema 1")
        with suppress(OSError):  # whose record this store is: only its own runs may move anything aside
            self.owned = open(f"{self.store}/owner").readline().strip() == self.one("identity")[0]
        self.slot = f"{self.store}/tmp/{self.run}/1"
        self.start(plan, planned)

    # The record.

    def all(self, statement, **values): return self.do(statement, **values).fetchall()
    def one(self, statement, **values): return next(iter(self.all(statement, **values)), None)
    def do(self, statement, **values): return self.db.execute(SQL[statement], {"now": int(time.time() * 1000), **values})

    @contextmanager
    def transaction(self):
        self.db.execute("BEGIN IMMEDIATE")
        try: yield
        except BaseException: self.db.execute("ROLLBACK"); raise
        self.db.execute("COMMIT")

    def id_of(self, output): return self.db.execute("SELECT id FROM outputs WHERE output = ?", [bytes.fromhex(output)]).fetchone()[0]

    def start(self, plan, planned):
        with self.transaction():
            if not self.db.execute("SELECT 1 FROM plans WHERE digest = ?", [planned]).fetchone():
                for output, task in self.tasks.items():
                    for each in (output, *task["inputs"].values()): self.do("note-output", output=bytes.fromhex(each))
                for output, task in self.tasks.items():
                    spec = encode({key: task[key] for key in task if key not in ("inputs", "output")})
                    self.do("note-spec", digest=digest(spec), bytes=spec)
                    inputs = encode({name: self.id_of(each) for name, each in task["inputs"].items()})
                    self.do("describe-output", output=bytes.fromhex(output), digest=digest(spec), inputs=inputs)
                noted = self.do("note-plan", digest=planned, meta=encode(self.meta)).lastrowid
                for name, task in plan["tasks"].items(): self.do("note-task", plan=noted, name=name, output=bytes.fromhex(task["output"]))
            noted = self.db.execute("SELECT id FROM plans WHERE digest = ?", [planned]).fetchone()[0]
            self.lock_file = os.path.join(os.path.dirname(self.record), "live", f"{self.run}.db")
            os.makedirs(os.path.dirname(self.lock_file), exist_ok=True)
            self.lock = sqlite3.connect(self.lock_file, timeout=30, isolation_level=None)  # nothing else here may ever open that file
            self.lock.execute("PRAGMA journal_mode = MEMORY"); self.lock.execute("BEGIN EXCLUSIVE")
            self.do("start-run", run=self.run, pipeline=str(self.meta.get("name", "pipeline")), plan=noted, params=encode({}),
                    goals=encode([]), host=self.host, user=self.user, pid=os.getpid(), version="engine-python 1")

    def lives(self, run):
        """A run lives as long as the operating system keeps its lock. To ask is to read, which never waits and never blocks."""
        path = os.path.join(os.path.dirname(self.lock_file), f"{run}.db")
        if run == self.run: return True
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0)) as other: other.execute("SELECT 1 FROM sqlite_master")
        except sqlite3.OperationalError as error: return "locked" in str(error)
        return False

    def place(self, location): return f"{self.store}/outputs/{location}"

    def believed(self, success):
        """Promise 1 and 2: bytes that are there, and that surely reached the disk, or still hash to what the record says."""
        id, location, store, _, settled, host, boot, _, tree = success
        if store != self.store_id: raise Refused(f"{location} lies in another store than {self.store}")
        place, in_place = self.place(location), location.endswith(".place")
        if not os.path.exists(place) or (os.path.islink(place) and not in_place): self.do("mark", success=id, state="lost")
        elif settled or (host, boot) == (self.host, self.boot): return True
        elif digest(encode(look(os.path.realpath(place), in_place=in_place)[0])) == tree: return True
        else: self.do("mark", success=id, state="damaged")
        return False

    def success(self, output):
        found = self.one("success", output=bytes.fromhex(output))
        return found if found and self.believed(found) else None

    def changed(self, success):
        """Promise 10: whether an input is not as it was at its commit, by times and sizes, and where those differ by bytes."""
        tree, stamps = self.one("noted", success=success[0])
        place = os.path.realpath(self.place(success[1]))
        with suppress(OSError):
            if stamps_of(place, decode(tree)) == stamps: return False
            if encode(look(place, in_place=success[1].endswith(".place"))[0]) == tree: return False
        self.do("mark", success=success[0], state="damaged" if os.path.exists(place) else "lost")
        return True

    # Deciding.

    def due(self, goals):
        """Promise 6: outputs that must be made, dependencies first; True for those that are inputs of another."""
        due, layer, as_input = {}, goals, False
        while layer:
            above = []
            for output in layer:
                found = None if output in due else self.success(output)
                if output in due or (found and not (as_input and found[3])): continue
                if output not in self.tasks: raise Refused(f"no task here makes {output}, and it is no success of another pipeline")
                due[output] = as_input
                above += self.tasks[output]["inputs"].values()
            layer, as_input = above, True
        return {output: due[output] for output in self.in_order(due)}

    def in_order(self, due):
        order, state = [], {}
        stack = [(output, False) for output in reversed(list(due))]
        while stack:
            output, left = stack.pop()
            if left: order.append(output)
            elif output in due and output not in state:
                state[output] = True
                stack.append((output, True))
                stack += [(each, False) for each in self.tasks[output]["inputs"].values()]
        return order

    def perform(self, goals):
        """Until nothing is due but what failed, and what needs that: returns how much that is."""
        while True:
            due, stuck = self.due(goals), set(self.failed)
            for output in due:
                if stuck.intersection(self.tasks[output]["inputs"].values()): stuck.add(output)
                if output not in stuck: self.refuse_unknown(output)
            todo = [output for output in due if output not in stuck]
            if not todo: return len(set(due) - set(self.failed))
            if not any([self.take(output, due[output]) for output in todo]): time.sleep(0.05)  # others are at it

    def refuse_unknown(self, output):
        task, name = self.tasks[output], self.names[output]
        options = self.meta.get("options", {}).get(name, {})
        asked = [key for key in task if key in REFUSED] + [key for key in options if key not in IGNORED]
        if asked or "command" not in task: raise Refused(f"{name} asks for {', '.join(asked) or 'no command'}: run it with alamode")

    def tell(self, what, output, more=""):
        if what in self.counts: self.counts[what] += 1
        print(what, self.names[output], *([more] if more else []), flush=True)

    def take(self, output, as_input):
        """One step, from decision to commit. Returns whether anything came of it."""
        task = self.tasks[output]
        if any(each in self.failed for each in task["inputs"].values()): return False
        inputs = {name: self.success(each) for name, each in task["inputs"].items()}
        if any(found is None or found[3] for found in inputs.values()): return False
        if any([self.changed(found) for found in inputs.values()]): return True  # it is due now, and comes first
        spec = {key: task[key] for key in task if key not in ("inputs", "output")}
        read = {name: found[8].hex() for name, found in inputs.items()}
        key = digest(encode({"v": 1, "spec": spec, "inputs": read}))
        with self.transaction():
            standing = self.success(output)
            if standing and not (as_input and standing[3]): self.tell("reused", output); return True
            before = self.awaited.get(output) and self.one("awaited", execution=self.awaited[output])
            if before and before[0] == "failure" and before[1] not in NOT_THE_TASKS:
                self.failed[output] = before[2]
                self.tell("failed", output, before[2]); return True
            leases = self.all("leases", output=bytes.fromhex(output), key=key)
            for execution, _, run, pid, host, other, _ in leases:
                if not self.lives(run): continue
                if self.awaited.get(output) != execution: self.tell("waiting", output, f"for {other} of run {run} ({host}, pid {pid})")
                self.awaited[output] = execution
                return False
            for candidate in self.all("candidates", key=key):
                if self.believed(candidate): self.alias(output, candidate, inputs); self.tell("same", output); return True
            for execution, *_ in leases: self.do("abandon", execution=execution); self.do("end-lease", execution=execution)
            self.n += 1
            path = str(task.get("env", {}).get("PATH", "/usr/local/bin:/usr/bin:/bin"))
            execution = self.do("begin", run=self.run, n=self.n, output=bytes.fromhex(output), task=self.names[output], host=self.host,
                                executor="local", path=path).lastrowid
            token = secrets.token_hex(16)
            self.do("lease", output=bytes.fromhex(output), execution=execution, key=key, token=token, slot=self.slot)
        for *_, slot in leases:
            while held(slot): time.sleep(0.05)  # what a dead engine's step left running; its supervisor ends it
        ended = {"inputs": encode(read), "exit": None, "signal": None, "rss": None, "user": None, "system": None, "log": None}
        try:
            top = self.execute(task, inputs, path, ended)
            if any([self.changed(found) for found in inputs.values()]): raise Failed("input-damaged", "changed an input")
            self.commit(output, execution, token, key, spec, inputs, read, top, ended)
            self.tell("ran", output)
        except (Failed, ValueError, OSError) as error:
            kind, message = error.args if isinstance(error, Failed) else ("engine", str(error))
            self.fail(output, execution, kind, message, ended)
            self.failed[output] = message
            self.tell("failed", output, message)
        except KeyboardInterrupt:
            self.fail(output, execution, "interrupted", "was stopped", ended)
            raise
        return True

    # A step.

    def execute(self, task, inputs, path, ended):
        """Promises 9 and 10: an empty folder, the inputs as links, a clean environment; and nothing left when it has ended."""
        remove(self.slot)
        for part in ("work/inputs", "home", "tmp", "out"): os.makedirs(f"{self.slot}/{part}")
        os.mkfifo(f"{self.slot}/alive")
        for name, found in inputs.items():
            place = os.path.realpath(self.place(found[1]))
            if os.path.exists(f"{place}/alamode-env.json"): raise Failed("engine", f"input {name} is an environment: run it with alamode")
            os.symlink(place, f"{self.slot}/work/inputs/{input_file(name)}")
        for name, content in task.get("files", {}).items():
            place = f"{self.slot}/work/{name}"
            if os.path.normpath(name) != name or name.startswith(("/", "..")): raise Failed("engine", f"{name} is no path inside")
            os.makedirs(os.path.dirname(place), exist_ok=True)
            shutil.copyfile(f"{self.store}/sources/{content[:2]}/{content}", place)
            if look(place)[0][""]["sha256"] != content: raise Failed("engine", f"the kept copy of {name} is damaged")
            os.chmod(place, 0o755)
        top, produces = f"{self.slot}/out/OUTPUT", task.get("produces")
        if produces is not None: os.mkdir(top)
        output = os.path.join(top, produces) if isinstance(produces, str) else top
        os.makedirs(os.path.dirname(output), exist_ok=True)
        env = {"HOME": f"{self.slot}/home", "TMPDIR": f"{self.slot}/tmp", "LANG": "C.UTF-8", "TZ": "UTC",
               **{name: str(text) for name, text in task.get("env", {}).items()}, "PATH": path, "INPUTS": f"{self.slot}/work/inputs",
               "OUTPUT": output, "ALAMODE_STEP": f"{self.run}/{self.run}-{self.n}"}
        argv = task["command"] if isinstance(task["command"], list) else ["/bin/sh", "-ec", task["command"]]
        log = f"{self.run}-{self.n}.log"
        reader = os.open(f"{self.slot}/alive", os.O_RDONLY | os.O_NONBLOCK)
        writer = os.open(f"{self.slot}/alive", os.O_WRONLY)
        with open(f"{self.store}/logs/{log}", "wb") as printed:
            try: step = subprocess.Popen(argv, cwd=f"{self.slot}/work", env=env, stdin=subprocess.DEVNULL, stdout=printed, stderr=printed,
                                         pass_fds=[writer], start_new_session=True,
                                         preexec_fn=lambda: os.write(self.watcher, b"%d\n" % os.getpid()))
            except OSError as error: raise Failed("not-found", f"{argv[0]} cannot be started: {error.strerror}")
            finally: os.close(writer); os.close(reader)
        try:
            _, status, used = os.wait4(step.pid, 0)
            step.returncode = status  # it has been waited for here, for the sake of what it used
            left = self.left(step.pid, 1)
        finally:
            with suppress(ProcessLookupError): os.killpg(step.pid, signal.SIGKILL)
            os.write(self.watcher, b"0\n")
        ended["rss"], ended["user"], ended["system"] = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024), int(used.ru_utime * 1000), int(used.ru_stime * 1000)
        if os.path.getsize(f"{self.store}/logs/{log}"): ended["log"] = log
        else: os.unlink(f"{self.store}/logs/{log}")
        if os.WIFSIGNALED(status):
            ended["signal"] = signal.Signals(os.WTERMSIG(status)).name
            raise Failed("signal", f"ended by {ended['signal']}")
        ended["exit"] = os.WEXITSTATUS(status)
        if ended["exit"]: raise Failed("exit", f"exit {ended['exit']}")
        if left: raise Failed("left-process", "left processes running (exit 0)")
        wanted = [os.path.join(top, name) for name in produces] if isinstance(produces, list) else [output]
        missing = [os.path.relpath(place, top) for place in wanted if not os.path.lexists(place)]
        if missing: raise Failed("no-output", "made nothing at $OUTPUT (exit 0)" if missing == ["."] else f"did not produce {', '.join(missing)} (exit 0)")
        return top

    def left(self, group, seconds):
        """What is still there so long after the command: in its group, or with the slot's FIFO open."""
        end = time.monotonic() + seconds
        while True:
            try: os.killpg(group, 0)
            except ProcessLookupError:
                if not held(self.slot): return False
            if time.monotonic() > end: return True
            time.sleep(0.005)

    def commit(self, output, execution, token, key, spec, inputs, read, top, ended):
        """Promise 2: close and hash, receipt, exclusive move, and last one transaction."""
        tree, stamps = look(top, seal=True)
        if "" not in tree: os.chmod(top, 0o755)
        bytes_of_tree = encode(tree)
        made = digest(bytes_of_tree)
        argv = spec["command"] if isinstance(spec["command"], list) else ["/bin/sh", "-ec", spec["command"]]
        note = encode({"n": self.receipts, "output": output, "spec": spec, "inputs": self.tasks[output]["inputs"], "digests": read,
                       "digest": made.hex(), "tree": bytes_of_tree, "execution": {
                           "id": f"{self.run}-{self.n}", "task": self.names[output], "argv": argv, "host": self.host,
                           "user": self.user, "ended": int(time.time() * 1000), "isolation": "none"}})
        with open(f"{self.store}/receipts/{self.run}", "ab") as file: file.write(b"%d:%s%s" % (len(note), note, digest(note)))
        self.receipts += 1
        location = f"{output[:2]}/{output}"
        taken = [row[0] for row in self.all("locations", output=bytes.fromhex(output), store=self.store_id)]
        if not tree or location in taken or not move(top, tree, self.place(location)):
            location += f".{made.hex()[:16]}"  # rubbish at the usual place is left to others
            place = self.place(location)
            if not move(top, tree, place) and look(place)[0] != tree:  # by its name it would have to be this tree: it was damaged
                if self.owned: os.rename(place, f"{place}.aside-{secrets.token_hex(4)}")
                if not self.owned or not move(top, tree, place): raise Failed("engine", f"something else lies at {place}")
        noted = stamps_of(self.place(location), tree, stamps if not os.path.lexists(top) else None)
        with self.transaction():
            if not self.one("holds", token=token, execution=execution): raise Failed("engine", "the lease is lost")
            self.do("note-tree", tree=made, bytes=bytes_of_tree)
            files = [entry for entry in tree.values() if "size" in entry]
            success = self.do("succeed", execution=execution, tree=made, key=key, location=location, store=self.store_id, host=self.host,
                              boot=self.boot, size=sum(entry["size"] for entry in files), files=len(files), stamps=noted).lastrowid
            self.take_place(success, inputs, output)
            self.do("end", execution=execution, outcome="success", kind=None, message=None, scratch=None, **ended)
            self.do("end-lease", execution=execution)

    def alias(self, output, original, inputs):
        above = {found[7] for found in inputs.values()} | {original[7]}
        isolation = original[7] if above - {"data"} <= {original[7]} else "none"
        self.take_place(self.do("alias", output=bytes.fromhex(output), original=original[0], isolation=isolation).lastrowid, inputs, output)

    def take_place(self, success, inputs, output):
        """Promise 4: whether it stands for its output now, and what that makes of everything made from what stood before."""
        for name, found in inputs.items():
            self.do("succeed-input", success=success, name=name, output=bytes.fromhex(self.tasks[output]["inputs"][name]), tree=found[8])
        self.do("judge", success=success)
        stale = 0
        if self.do("win", success=success).rowcount:
            self.do("supersede", success=success); self.do("stand", success=success)
            stale, changed = self.do("make-stale", success=success).rowcount, [success]
            while changed:
                for valid, stands in self.all("valid-again", success=changed.pop()):
                    self.do("revalidate", success=valid)
                    if stands: changed.append(valid)
        self.do("tell-commit", success=success, stale=stale)

    def fail(self, output, execution, kind, message, ended):
        """Promise 5: what it left is kept, of the last three that failed; and it is never taken for a result."""
        scratch = f"{self.store}/tmp/failed/{self.run}-{self.n}"
        if os.path.exists(f"{self.slot}/alive"): os.unlink(f"{self.slot}/alive")
        os.makedirs(os.path.dirname(scratch), exist_ok=True)
        os.rename(self.slot, scratch)
        with self.transaction():
            self.do("end", execution=execution, outcome="failure", kind=kind, message=message, scratch=scratch, **ended)
            self.do("end-lease", execution=execution)
        for old, folder in self.all("kept", output=bytes.fromhex(output)): remove(folder); self.do("forget", execution=old)

    def finish(self, status, rest):
        self.do("end-run", run=self.run, status=status, failed=len(self.failed), rest=rest, **self.counts)
        remove(os.path.dirname(self.slot))
        os.unlink(self.lock_file)  # first: a lock that is free says that its run was killed
        self.lock.close()

def main():
    parser = argparse.ArgumentParser()
    for name in ("--store", "--record", "plan"): parser.add_argument(name, **({"required": True} if name[0] == "-" else {}))
    parser.add_argument("tasks", nargs="*")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    engine, status, rest = None, "failed", 0
    try:
        plan, planned = load(asked.plan)
        unknown = [name for name in asked.tasks if name not in plan["tasks"]]
        if unknown: raise Refused(f"there is no task {unknown[0]}")
        needed = {each for task in plan["tasks"].values() for each in task["inputs"].values()}
        names = asked.tasks or [name for name, task in plan["tasks"].items() if task["output"] not in needed]
        goals = list(dict.fromkeys(plan["tasks"][name]["output"] for name in names))
        engine = Engine(asked.store, asked.record, plan, planned)
        rest = engine.perform(goals)
        status = "failed" if engine.failed else "done"
    except (Refused, ValueError, OSError, sqlite3.Error, RecursionError) as error:
        print(f"refused: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        status = "interrupted"
    if engine: engine.finish(status, rest)
    sys.exit({"done": 0, "interrupted": 130}.get(status, 1 if engine and engine.failed else 2))

if __name__ == "__main__": main()
