-- user_version 1
CREATE TABLE executions (
  id INTEGER PRIMARY KEY,
  run_id INTEGER NOT NULL REFERENCES runs (id),
  n INTEGER NOT NULL,                   -- its name is <run>-<n>
  output_id INTEGER NOT NULL REFERENCES outputs (id),
  task TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  ended_at INTEGER,
  outcome TEXT NOT NULL CHECK (outcome IN ('running', 'success', 'failure')),
  failure_kind TEXT,
  failure_message TEXT,
  failure_hint TEXT,
  exit_code INTEGER,
  signal TEXT,
  host TEXT NOT NULL,
  executor TEXT NOT NULL,
  isolation TEXT NOT NULL,
  path TEXT NOT NULL,
  inputs BLOB,                          -- bencode({ dependency name: tree digest in hex }) as read; null until known
  max_rss_bytes INTEGER,
  user_ms INTEGER,
  system_ms INTEGER,
  log TEXT,
  scratch TEXT,
  UNIQUE (run_id, n)
) STRICT;
CREATE TABLE identity (
  id TEXT NOT NULL                      -- 16 hex digits: names this record wherever its file lies
) STRICT;
CREATE TABLE leases (
  output_id INTEGER PRIMARY KEY REFERENCES outputs (id),
  execution_id INTEGER NOT NULL REFERENCES executions (id), -- one has one, as a token has
  resolved_key BLOB NOT NULL,
  token TEXT NOT NULL,
  slot TEXT NOT NULL
) STRICT;
CREATE TABLE outputs (
  id INTEGER PRIMARY KEY,
  output BLOB NOT NULL UNIQUE,          -- 32 bytes
  spec_id INTEGER REFERENCES specs (id),-- null: only ever named as an input
  inputs BLOB                           -- bencode({ dependency name: outputs.id })
) STRICT;
CREATE TABLE plan_tasks (
  plan_id INTEGER NOT NULL REFERENCES plans (id),
  name TEXT NOT NULL,
  output_id INTEGER NOT NULL REFERENCES outputs (id),
  PRIMARY KEY (plan_id, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE plans (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  meta BLOB NOT NULL                    -- bencode(meta)
) STRICT;
CREATE TABLE runs (
  id INTEGER PRIMARY KEY,               -- the run's number
  run TEXT NOT NULL UNIQUE,
  pipeline TEXT NOT NULL,
  plan_id INTEGER NOT NULL REFERENCES plans (id),
  params BLOB NOT NULL,                 -- bencode({ name: text })
  goals BLOB NOT NULL,                  -- bencode([task name])
  started_at INTEGER NOT NULL,          -- all times: milliseconds since 1970
  ended_at INTEGER,
  status TEXT NOT NULL CHECK (status IN ('running', 'done', 'failed', 'interrupted')),
  ran INTEGER,                          -- the counts are null until the run has ended
  same INTEGER,
  reused INTEGER,
  failed INTEGER,
  not_started INTEGER,
  note TEXT NOT NULL,
  host TEXT NOT NULL,
  user TEXT NOT NULL,
  pid INTEGER NOT NULL,
  version TEXT NOT NULL
) STRICT;
CREATE TABLE schedule_slots (
  pipeline TEXT NOT NULL,
  series TEXT NOT NULL,
  starts_at INTEGER NOT NULL,
  run_id INTEGER NOT NULL UNIQUE REFERENCES runs (id),
  PRIMARY KEY (pipeline, series, starts_at)
) STRICT, WITHOUT ROWID;
CREATE TABLE specs (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,          -- sha256 of bytes
  bytes BLOB NOT NULL                   -- bencode(spec)
) STRICT;
CREATE TABLE standing (
  output_id INTEGER PRIMARY KEY REFERENCES outputs (id),
  success_id INTEGER NOT NULL REFERENCES successes (id) -- a success of that output
) STRICT;
CREATE TABLE success_inputs (
  success_id INTEGER NOT NULL REFERENCES successes (id),
  name TEXT NOT NULL,
  input_output_id INTEGER NOT NULL REFERENCES outputs (id),
  tree_id INTEGER NOT NULL REFERENCES trees (id),
  PRIMARY KEY (success_id, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE successes (
  id INTEGER PRIMARY KEY,
  output_id INTEGER NOT NULL REFERENCES outputs (id),
  execution_id INTEGER NOT NULL REFERENCES executions (id),
  alias_of INTEGER REFERENCES successes (id), -- the success of that execution, where this one rests on it
  tree_id INTEGER NOT NULL REFERENCES trees (id),
  resolved_key BLOB NOT NULL,
  location TEXT NOT NULL,
  store TEXT NOT NULL,
  isolation TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('current', 'lost', 'damaged', 'superseded', 'other')),
  stale INTEGER NOT NULL,
  settled INTEGER NOT NULL,
  host TEXT NOT NULL,
  boot TEXT NOT NULL,
  made_at INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,
  files INTEGER NOT NULL,
  differs_from_id INTEGER REFERENCES trees (id), -- what its commit answered, to answer the same again
  made_stale INTEGER NOT NULL,
  stamps BLOB NOT NULL                  -- last, because it may be long and is seldom read
) STRICT;
CREATE TABLE trees (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  bytes BLOB NOT NULL                   -- the canonical bencoding that digest is the sha256 of
) STRICT;
CREATE TABLE verifications (
  id INTEGER PRIMARY KEY,
  success_id INTEGER NOT NULL REFERENCES successes (id), -- of the execution that made the bytes: never an alias
  at INTEGER NOT NULL,
  host TEXT NOT NULL,
  same INTEGER NOT NULL,
  digest BLOB NOT NULL                  -- of the tree that was made
) STRICT;
CREATE INDEX executions_by_output ON executions (output_id, id);
CREATE INDEX executions_by_task ON executions (task, id) WHERE outcome = 'success';
CREATE INDEX plan_tasks_by_output ON plan_tasks (output_id, plan_id);
CREATE INDEX runs_by_pipeline ON runs (pipeline, id);
CREATE INDEX success_inputs_by_input ON success_inputs (input_output_id, tree_id, success_id);
CREATE INDEX successes_by_alias ON successes (alias_of) WHERE alias_of IS NOT NULL;
CREATE INDEX successes_by_key ON successes (resolved_key, id) WHERE alias_of IS NULL;
CREATE INDEX successes_by_output ON successes (output_id, id);
CREATE INDEX successes_unsettled ON successes (settled) WHERE settled = 0;
CREATE INDEX verifications_by_success ON verifications (success_id);
