"""Finds what A La Mode made, for notebooks and scripts: this one file, Python 3.9 or later, no Node.js.

    import alamode, pandas
    pandas.read_csv(alamode.path("weather/summary"))   # <pipeline>/<task>: what its latest run stands for
    alamode.path("shop/revenue", date="2026-11-01")    # of the latest run with that parameter
    alamode.path("weather/summary", run=12)            # as run 12 had it
    alamode.path("25adad19")                           # an output by its ID, or the beginning of it
    pandas.DataFrame(alamode.runs())                   # every run, the newest first
    pandas.DataFrame(alamode.ls("weather"))            # every task of a pipeline, made or not

It only reads. Store and record are found as the command `alamode` finds them: ALAMODE_STORE and ALAMODE_RECORD, else
`.alamode` beside the nearest package.json or alamode.config.ts. What that file says is TypeScript, which cannot be read here:
where it names a store or a record, name them too, `alamode.open(store=..., record=...)`, which has the same functions.
"""
from __future__ import annotations

import difflib
import os
import re
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Optional, Union

__all__ = ["path", "runs", "ls", "open", "Project", "Run", "Made", "AlamodeError"]


class AlamodeError(Exception):
    """Why there is no answer, in one line, with the way out. `code` is stable, as the command's own codes are."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class Run(NamedTuple):
    """One request to bring tasks up to date. `status`: running, done, failed, interrupted, killed."""

    number: int
    pipeline: str
    status: str
    started: datetime
    took: Optional[timedelta]  # None while it runs, and of one that was killed
    ran: Optional[int]  # the counts are None until it has ended
    same: Optional[int]
    reused: Optional[int]
    failed: Optional[int]
    note: str
    params: dict  # what the pipeline was described with: name -> text
    id: str


class Made(NamedTuple):
    """One task of a pipeline. `state`: made, not made, stale (an input has come out otherwise since), lost, damaged, or
    elsewhere: in a store that is no folder known here."""

    pipeline: str
    task: str
    state: str
    path: Optional[Path]  # None unless it is made, or stale
    made: Optional[datetime]
    size: Optional[int]  # bytes
    output: str  # its ID


def open(store: Union[str, os.PathLike, None] = None, record: Union[str, os.PathLike, None] = None,
         start: Union[str, os.PathLike] = ".") -> Project:
    """The project that the folder `start` is in, or whatever store (a folder) and record (a file) are named."""
    return Project(store, record, start)


def path(what: str, run: Optional[int] = None, stale: bool = False, **params: object) -> Path:
    """Where the output of "pipeline/task", of "task", or of an ID lies; see Project.path."""
    return open().path(what, run, stale, **params)


def runs(pipeline: Optional[str] = None, limit: Optional[int] = None) -> list[Run]:
    """The runs, the newest first; of one pipeline, or of all."""
    return open().runs(pipeline, limit)


def ls(pipeline: Optional[str] = None, run: Optional[int] = None) -> list[Made]:
    """The tasks of each pipeline's latest run, or of one run; made or not."""
    return open().ls(pipeline, run)


class Project:
    """A store and its record. Nothing stays open between calls, so that no notebook is in the way of a run."""

    def __init__(self, store=None, record=None, start="."):
        found = _project(Path(start).resolve())
        config = found / "alamode.config.ts"
        store = store or os.environ.get("ALAMODE_STORE")
        record = record or os.environ.get("ALAMODE_RECORD")
        if (store is None or record is None) and config.exists():
            _refuse_places_in(config, [name for name, at in (("store", store), ("record", record)) if at is None])
        if record and "://" in str(record):
            raise AlamodeError("record-unreadable", "the record is a database on a server, and this reads files only. Ask the "
                               "command instead: alamode path TASK, alamode runs --json")
        own = found / ".alamode"
        self.store = own if not store or "://" in str(store) else Path(store).resolve()
        self.record = Path(record).resolve() if record else own / "record.db"
        self._stores = [self.store] if self.store == own else [self.store, own]  # own: from the days before another was chosen

    def path(self, what: str, run: Optional[int] = None, stale: bool = False, **params: object) -> Path:
        """
        Absolute path of what a task made: with `produces: 'name'` that file. `what` is "pipeline/task", a task's name where only
        one pipeline has it, or the beginning (4 digits or more) of an output's ID. A task is taken as the pipeline's latest run
        has it, or the latest with these parameters (`date="2026-11-01"`), or as run number `run` had it.

        Raises AlamodeError with the code `no-record`, `unknown-task`, `ambiguous`, `not-made`, `output-stale` (unless `stale`
        says that this will do), `output-missing` (made, but gone), `output-damaged`, `output-elsewhere` (in a store that is not this folder).
        """
        with self._connect() as db:
            found = _find(db, what, run, params)
            state = self._state(db, found.output)
            if state.name == "made" or (state.name == "stale" and stale):
                return state.path
            raise self._refusal(db, what, found, state)

    def runs(self, pipeline: Optional[str] = None, limit: Optional[int] = None) -> list[Run]:
        with self._connect() as db:
            rows = db.execute(
                f"""SELECT id, pipeline, status, started_at, ended_at, ran, same, reused, failed, note, params, run FROM runs
                    {"" if pipeline is None else "WHERE pipeline = :pipeline"} ORDER BY id DESC LIMIT :limit""",
                {"pipeline": pipeline, "limit": -1 if limit is None else limit},
            ).fetchall()
        return [
            Run(number, name, self._status(status, id), _time(started),
                None if ended is None else timedelta(milliseconds=ended - started), *counts, note, _texts(params), id)
            for number, name, status, started, ended, *counts, note, params, id in rows
        ]

    def ls(self, pipeline: Optional[str] = None, run: Optional[int] = None) -> list[Made]:
        with self._connect() as db:
            plans = _plans(db, pipeline, run)
            if not plans:
                raise _unknown_run(db, run) if run is not None else _unknown_pipeline(db, pipeline)
            made = []
            for _, name, plan, _ in plans:
                for task, output in db.execute(
                    """SELECT p.name, o.output FROM plan_tasks p JOIN outputs o ON o.id = p.output_id
                       WHERE p.plan_id = ? ORDER BY p.name""", (plan,)).fetchall():
                    state = self._state(db, output)
                    made.append(Made(name, task, state.name, state.path, state.made, state.size, output.hex()))
            return made

    def _connect(self) -> _Reading:
        if self.record.is_dir():
            raise AlamodeError("bad-record", f"{self.record} is a folder: a record is one file, as {self.record / 'record.db'}")
        if not self.record.exists():
            raise AlamodeError("no-record", f"nothing has been run here yet: there is no {self.record}. Run the pipeline "
                               "(alamode run), or name where it was: alamode.open(store=..., record=...)")
        return _Reading(self.record)

    def _state(self, db: sqlite3.Connection, output: bytes) -> _State:
        """What stands for an output, and whether its bytes are there."""
        row = db.execute(
            """SELECT s.location, s.state, s.stale, s.made_at, s.size_bytes, p.bytes, s.store FROM outputs o
               JOIN standing t ON t.output_id = o.id JOIN successes s ON s.id = t.success_id
               LEFT JOIN specs p ON p.id = o.spec_id WHERE o.output = ?""", (output,)).fetchone()
        if row is None:
            return _State("not made")
        location, state, stale, made, size, spec, store = row
        if state in ("lost", "damaged"):
            return _State(state)
        its = next((folder for folder in self._stores if _id(folder) == store), None)
        place = (its or self.store) / "outputs" / location  # without its id it may be a copy of that store
        # A link that is no data in place shows another output's tree to people; the tree itself is not there.
        if not place.exists() or (place.is_symlink() and place.suffix != ".place"):
            return _State("lost" if its else "elsewhere")
        place = Path(os.path.realpath(place))
        produces = _text(spec, b"produces")
        lies = place / produces if produces and place.is_dir() else place
        return _State("stale" if stale else "made", lies, _time(made), size)

    def _refusal(self, db: sqlite3.Connection, what: str, found: _Found, state: _State) -> AlamodeError:
        again = f"alamode run {_quoted(found.task)}" if found.task else "the pipeline that makes it"
        if state.name == "lost":
            return AlamodeError("output-missing", f"{what} was made, but is not in {self.store} any more. Make it again: {again}")
        if state.name == "elsewhere":
            return AlamodeError("output-elsewhere", f"{what} is made, but lies in another store than {self.store}. Name that store's "
                                f"folder, alamode.open(store=...), or copy it here: alamode get {_quoted(found.task or what)}")
        if state.name == "damaged":
            return AlamodeError("output-damaged", f"{what} was changed in the store since it was made. Make it again: {again}")
        if state.name == "stale":
            return AlamodeError("output-stale", f"{what} was made from an input that has come out otherwise since. Make it "
                                f"again: {again}, or take it as it is: alamode.path({what!r}, stale=True)")
        if found.run is None:
            return AlamodeError("not-made", f"output {found.output.hex()[:8]} has never been made")
        number, _, status, id = found.run
        which = f"run {number} has it" if found.chosen else f"the latest run has it: run {number}"
        told = f"{what} is not made as {which}, {self._status(status, id)}"
        for earlier, output in db.execute(
            """SELECT r.id, o.output FROM runs r JOIN plan_tasks p ON p.plan_id = r.plan_id JOIN outputs o ON o.id = p.output_id
               WHERE r.pipeline = ? AND p.name = ? AND r.id < ? ORDER BY r.id DESC LIMIT 1000""",
                (found.pipeline, found.task, number)):
            if self._state(db, output).path is not None:
                return AlamodeError("not-made", f"{told}. Make it: {again}, or take it as run {earlier} had it: "
                                    f"alamode.path({what!r}, run={earlier})")
        return AlamodeError("not-made", f"{told}. Make it: {again}")

    def _status(self, status: str, run: str) -> str:
        """`running` is also what is left of a run that was killed: it lives as long as it holds its lock."""
        if status != "running":
            return status
        lock = self.record.parent / "live" / f"{run}.db"
        if not lock.exists():
            return "killed"
        try:
            db = sqlite3.connect(f"{lock.as_uri()}?mode=ro", uri=True, timeout=0)
            try:
                db.execute("SELECT 1 FROM sqlite_master").fetchone()
                return "killed"
            finally:
                db.close()
        except sqlite3.OperationalError as error:
            return "running" if "locked" in str(error) else "killed"


class _State(NamedTuple):
    name: str
    path: Optional[Path] = None
    made: Optional[datetime] = None
    size: Optional[int] = None


class _Found(NamedTuple):
    output: bytes
    pipeline: str = ""
    task: str = ""
    run: Optional[tuple] = None  # number, plan's row, status, id
    chosen: bool = False  # by its number


class _Reading:
    """One look at the record, which others may be writing to; closed at the end of `with`."""

    def __init__(self, file: Path):
        self._file = file

    def __enter__(self) -> sqlite3.Connection:
        self._db = self._open("mode=ro")
        try:
            version = self._version()
        except sqlite3.OperationalError as error:
            # In a folder that may not be written, SQLite cannot share a record that nobody has open; then nobody writes to it.
            self._db.close()
            wal = Path(f"{self._file}-wal")
            if wal.exists() and wal.stat().st_size > 0:
                raise AlamodeError("record-unreadable", f"{self._file} cannot be read: {error}") from error
            self._db = self._open("mode=ro&immutable=1")
            version = self._version()
        if version != 0x616C616D:
            self._db.close()
            raise AlamodeError("record-foreign", f"{self._file} is no record of a-la-mode")
        self._db.execute("BEGIN")
        return self._db

    def __exit__(self, kind, error, trace):
        self._db.close()
        if isinstance(error, sqlite3.Error) and re.match("no such (table|column)", str(error)):
            raise AlamodeError("record-newer", f"{self._file} is of another version than this alamode.py: take the one that came "
                               "with the command, node_modules/a-la-mode/clients/python/alamode.py") from error

    def _open(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(f"{self._file.resolve().as_uri()}?{mode}", uri=True, timeout=30, isolation_level=None)

    def _version(self) -> int:
        try:
            self._db.execute("SELECT 1 FROM sqlite_master").fetchone()
            return self._db.execute("PRAGMA application_id").fetchone()[0]
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            return 0


def _find(db: sqlite3.Connection, what: str, run: Optional[int], params: dict) -> _Found:
    """Which output is meant. The plans that are looked at are the latest of each pipeline, or that of run number `run`."""
    plans = _plans(db, None, run, params)
    if not plans and run is not None:
        raise _unknown_run(db, run)
    if not plans and params:
        raise AlamodeError("unknown-run", f"no run with {', '.join(f'{k}={v}' for k, v in params.items())} is recorded here. "
                           "All runs, with their parameters: alamode.runs()")
    named, bare = [], []
    for number, pipeline, plan, rest in plans:
        for task, found in ((what[len(pipeline) + 1:], named), (what, bare)):
            if found is named and not what.startswith(f"{pipeline}/"):
                continue
            row = db.execute("SELECT o.output FROM plan_tasks p JOIN outputs o ON o.id = p.output_id "
                             "WHERE p.plan_id = ? AND p.name = ?", (plan, task)).fetchone()
            if row is not None:
                found.append(_Found(row[0], pipeline, task, (number, plan, *rest), run is not None or bool(params)))
    for found in (named, bare):
        if len({one.output for one in found}) > 1:
            names = ", ".join(f"{one.pipeline}/{one.task}" for one in found)
            raise AlamodeError("ambiguous", f"several tasks may be meant by {what}. Say which pipeline's: {names}")
        if found:
            return found[0]
    if re.fullmatch("[0-9a-f]{4,64}", what):
        outputs = db.execute("SELECT output FROM outputs WHERE output BETWEEN ? AND ? LIMIT 2",
                             (bytes.fromhex(what.ljust(64, "0")), bytes.fromhex(what.ljust(64, "f")))).fetchall()
        if len(outputs) > 1:
            raise AlamodeError("ambiguous", f"several outputs begin with {what}: give more digits")
        if outputs:
            return _Found(outputs[0][0])
    raise _unknown_task(db, what, plans)


def _plans(db: sqlite3.Connection, pipeline: Optional[str], run: Optional[int], params: Optional[dict] = None) -> list[tuple]:
    """
    (run's number, pipeline, plan's row, (status, id)): of one run, or of the latest run of each pipeline that had these
    parameters, newest first.
    """
    which = "r.id = :run" if run is not None else "r.id IN (SELECT max(id) FROM runs GROUP BY pipeline)" if not params else "1"
    rows = db.execute(f"""SELECT r.id, r.pipeline, r.plan_id, r.status, r.run, r.params FROM runs r WHERE {which}
                          AND (:pipeline IS NULL OR r.pipeline = :pipeline) ORDER BY r.id DESC""",
                      {"run": run, "pipeline": pipeline})
    wanted = {name: str(value) for name, value in (params or {}).items()}
    plans = {}
    for number, name, plan, status, id, given in rows:
        if name not in plans and wanted.items() <= _texts(given).items():
            plans[name] = (number, name, plan, (status, id))
    return list(plans.values())


def _unknown_task(db: sqlite3.Connection, what: str, plans: list[tuple]) -> AlamodeError:
    names = [f"{pipeline}/{task}" for _, pipeline, plan, _ in plans
             for task, in db.execute("SELECT name FROM plan_tasks WHERE plan_id = ?", (plan,))]
    near = difflib.get_close_matches(what, names, 3) or [
        name for name in names if difflib.get_close_matches(what, [name.split("/", 1)[1]], 1)][:3]
    known = f"Near: {', '.join(near)}" if near else f"Pipelines: {', '.join(sorted({plan[1] for plan in plans}))}"
    return AlamodeError("unknown-task", f"no task and no output is called {what!r}. {known}. All: alamode.ls()")


def _unknown_pipeline(db: sqlite3.Connection, pipeline: Optional[str]) -> AlamodeError:
    names = [name for name, in db.execute("SELECT DISTINCT pipeline FROM runs ORDER BY pipeline")]
    if not names:
        return AlamodeError("no-record", "nothing has been run here yet")
    return AlamodeError("unknown-pipeline", f"no pipeline {pipeline!r} was ever run here. There is: {', '.join(names)}")


def _unknown_run(db: sqlite3.Connection, run: int) -> AlamodeError:
    last, = db.execute("SELECT max(id) FROM runs").fetchone()
    return AlamodeError("unknown-run", f"there is no run {run}. The last is {last}" if last else "nothing has been run here yet")


def _project(start: Path) -> Path:
    """The nearest folder with an alamode.config.ts or a package.json, upward; `start` itself where there is none."""
    for folder in (start, *start.parents):
        if (folder / "alamode.config.ts").exists() or (folder / "package.json").exists():
            return folder
    return start


def _refuse_places_in(config: Path, missing: list[str]) -> None:
    """Whoever reads the usual place where a config names another would take an old result for the new one."""
    code = re.sub(r"/\*.*?\*/|(?<![:\"'`])//[^\n]*", "", config.read_text(encoding="utf-8"), flags=re.DOTALL)
    said = [name for name in missing if re.search(rf"(?:^|[{{,\s])[\"']?{name}[\"']?\s*:", code)]
    if said:
        arguments = ", ".join(f"{name}=..." for name in said)
        raise AlamodeError("config-unread", f"{config} says where the {' and the '.join(said)} is, and cannot be read without "
                           f"Node.js: say it too, alamode.open({arguments}), or as ALAMODE_{said[0].upper()}")


def _id(store: Path) -> str:
    """The name that records have for a store; "" for a folder that is none."""
    try:
        return (store / "id").read_text().strip()
    except OSError:
        return ""


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000).astimezone()


def _quoted(name: str) -> str:
    import shlex

    return shlex.quote(name)


def _text(spec: Optional[bytes], key: bytes) -> Optional[str]:
    """A text of a bencoded map; None where it has none of that key."""
    value = _bdecode(spec, 0)[0].get(key) if spec else None
    return value.decode() if isinstance(value, bytes) else None


def _texts(data: Optional[bytes]) -> dict:
    """A bencoded map of texts."""
    found = _bdecode(data, 0)[0] if data else {}
    return {name.decode(): value.decode() for name, value in found.items() if isinstance(value, bytes)}


def _bdecode(data: bytes, at: int) -> tuple:
    """The value at `at`, and where it ends. The record has checked that it is well-formed."""
    mark = data[at:at + 1]
    if mark == b"i":
        end = data.index(b"e", at)
        return 0, end + 1  # no number is asked for, and Python refuses long ones
    if mark in (b"l", b"d"):
        items, at = [], at + 1
        while data[at:at + 1] != b"e":
            item, at = _bdecode(data, at)
            items.append(item)
        return (items if mark == b"l" else dict(zip(items[::2], items[1::2]))), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1:end], end
