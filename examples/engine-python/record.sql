-- What an engine asks of the embedded record and writes to it: schema 1, SQLite. docs/ENGINES.md says when and why; a test holds
-- the two texts to each other. Under one name there may be several statements, to be executed in their order, in one transaction,
-- each with those of the values (:output) that it names. Digests, IDs and keys are blobs of 32 bytes, times ms since 1970.

-- name: version
SELECT (SELECT user_version FROM pragma_user_version) AS version, (SELECT application_id FROM pragma_application_id) AS application;

-- name: note-plan
-- Gives a row if the plan was not known; then its tasks are to be noted too.
INSERT INTO plans (digest, meta) VALUES (:plan, :meta) ON CONFLICT DO NOTHING RETURNING id;

-- name: note-output
INSERT INTO outputs (output) VALUES (:output) ON CONFLICT (output) DO UPDATE SET output = excluded.output RETURNING id;

-- name: note-task
-- :inputs is bencode({ dependency name: outputs.id }), so each input is noted before.
INSERT INTO specs (digest, bytes) VALUES (:digest, :spec) ON CONFLICT DO NOTHING;
INSERT INTO outputs (output) VALUES (:output) ON CONFLICT DO NOTHING;
UPDATE outputs SET spec_id = (SELECT id FROM specs WHERE digest = :digest), inputs = :inputs
WHERE output = :output AND spec_id IS NULL;
INSERT INTO plan_tasks (plan_id, name, output_id)
SELECT p.id, :name, o.id FROM plans p, outputs o WHERE p.digest = :plan AND o.output = :output;

-- name: begin-run
-- :goals is bencode([task name]); params is bencode({ name: text }), here of none.
INSERT INTO runs (run, pipeline, plan_id, params, goals, started_at, status, note, host, user, pid, version)
SELECT :run, :name, id, x'6465', :goals, :now, 'running', '', :host, :user, :pid, :version FROM plans WHERE digest = :plan;

-- name: success
-- What stands for an output and has its bytes, as far as the record knows. An alias has its stamps from its original.
SELECT s.id, s.location, s.store, s.stale, s.settled, s.host, s.boot, s.isolation, t.digest, t.bytes AS tree, m.stamps
FROM outputs o JOIN standing c ON c.output_id = o.id JOIN successes s ON s.id = c.success_id
  JOIN successes m ON m.id = coalesce(s.alias_of, s.id) JOIN trees t ON t.id = s.tree_id
WHERE o.output = :output AND s.state = 'current';

-- name: mark
-- 'lost' or 'damaged', with all that rest on the same bytes. What stood for an output still does.
UPDATE successes SET state = :state
WHERE coalesce(alias_of, id) = (SELECT coalesce(alias_of, id) FROM successes WHERE id = :success);

-- name: leases
SELECT l.execution_id AS execution, l.slot, r.run, r.host, r.pid
FROM leases l JOIN executions e ON e.id = l.execution_id JOIN runs r ON r.id = e.run_id
WHERE l.output_id = (SELECT id FROM outputs WHERE output = :output) OR l.resolved_key = :key;

-- name: candidates
-- What was made before under a resolved key: originals, earliest first.
SELECT s.id, s.location, s.store, s.stale, s.settled, s.host, s.boot, s.isolation, t.digest, t.bytes AS tree, s.stamps
FROM successes s JOIN trees t ON t.id = s.tree_id
WHERE s.resolved_key = :key AND s.alias_of IS NULL AND s.state NOT IN ('lost', 'damaged') ORDER BY s.id;

-- name: lease
-- The leases that are there are of dead runs. The new execution is called <run>-<n>.
UPDATE executions SET outcome = 'failure', ended_at = :now, failure_kind = 'abandoned', failure_message = 'its engine died'
WHERE outcome = 'running' AND id IN (SELECT execution_id FROM leases
  WHERE output_id = (SELECT id FROM outputs WHERE output = :output) OR resolved_key = :key);
DELETE FROM leases WHERE output_id = (SELECT id FROM outputs WHERE output = :output) OR resolved_key = :key;
INSERT INTO executions (run_id, n, output_id, task, attempt, started_at, outcome, host, executor, isolation, path)
SELECT r.id, :n, o.id, :task, 1, :now, 'running', r.host, 'local', 'none', :path FROM runs r, outputs o
WHERE r.run = :run AND o.output = :output;
INSERT INTO leases (output_id, execution_id, resolved_key, token, slot)
SELECT e.output_id, e.id, :key, :token, :slot FROM executions e JOIN runs r ON r.id = e.run_id WHERE r.run = :run AND e.n = :n;

-- name: succeed
-- Gives no row if the lease is lost: then nothing may be written.
INSERT INTO trees (digest, bytes) VALUES (:digest, :tree) ON CONFLICT DO NOTHING;
INSERT INTO successes (output_id, execution_id, tree_id, resolved_key, location, store, isolation, state, stale, settled, host,
  boot, made_at, size_bytes, files, made_stale, stamps)
SELECT l.output_id, l.execution_id, t.id, l.resolved_key, :location, :store, 'none', 'other', 0, 0, :host,
  :boot, :now, :size, :files, 0, :stamps
FROM leases l, trees t WHERE l.token = :token AND t.digest = :digest RETURNING id;

-- name: alias
INSERT INTO successes (output_id, execution_id, alias_of, tree_id, resolved_key, location, store, isolation, state, stale,
  settled, host, boot, made_at, size_bytes, files, made_stale, stamps)
SELECT o.id, s.execution_id, s.id, s.tree_id, s.resolved_key, s.location, s.store, 'none', 'other', 0,
  s.settled, s.host, s.boot, :now, s.size_bytes, s.files, 0, x''
FROM successes s, outputs o WHERE s.id = :original AND o.output = :output RETURNING id;

-- name: read
-- A success is made from others, as they were read: :input is the one that stood for this dependency.
INSERT INTO success_inputs (success_id, name, input_output_id, tree_id)
SELECT :success, :name, output_id, tree_id FROM successes WHERE id = :input;

-- name: stand
-- Stale at birth, if an input is not what stands for it by now, or that is stale itself.
UPDATE successes SET stale = EXISTS (
  SELECT 1 FROM success_inputs i WHERE i.success_id = :success AND NOT EXISTS (
    SELECT 1 FROM standing c JOIN successes v ON v.id = c.success_id
    WHERE c.output_id = i.input_output_id AND v.tree_id = i.tree_id AND v.stale = 0))
WHERE id = :success;
-- The first success wins while its bytes exist and it is valid; the rest changes nothing then.
UPDATE successes SET state = 'current' WHERE id = :success AND NOT EXISTS (
  SELECT 1 FROM standing c JOIN successes b ON b.id = c.success_id
  WHERE c.output_id = successes.output_id AND b.state = 'current' AND NOT (b.stale = 1 AND successes.stale = 0));
UPDATE successes SET state = 'superseded' WHERE state = 'current' AND id <> :success AND id = (
  SELECT c.success_id FROM standing c JOIN successes s ON s.output_id = c.output_id WHERE s.id = :success AND s.state = 'current');
INSERT INTO standing (output_id, success_id) SELECT output_id, id FROM successes WHERE id = :success AND state = 'current'
ON CONFLICT (output_id) DO UPDATE SET success_id = excluded.success_id;
-- All that was made from what stood before with other bytes, and from that, is stale.
WITH RECURSIVE outdated (success_id) AS (
  SELECT s.id FROM success_inputs i JOIN successes s ON s.id = i.success_id
  WHERE i.input_output_id = (SELECT output_id FROM successes WHERE id = :success) AND s.stale = 0 AND NOT EXISTS (
    SELECT 1 FROM standing c JOIN successes v ON v.id = c.success_id
    WHERE c.output_id = i.input_output_id AND v.tree_id = i.tree_id AND v.stale = 0)
  UNION
  SELECT s.id FROM outdated d JOIN successes o ON o.id = d.success_id JOIN standing t ON t.output_id = o.output_id AND t.success_id = o.id
    JOIN success_inputs i ON i.input_output_id = o.output_id AND i.tree_id = o.tree_id JOIN successes s ON s.id = i.success_id
  WHERE s.stale = 0)
UPDATE successes SET stale = 1 WHERE id IN (SELECT success_id FROM outdated);
-- To be told again: how many became stale just now, and whether an earlier tree made from the same differs.
UPDATE successes SET made_stale = changes(), differs_from_id = (
  SELECT e.tree_id FROM successes e WHERE e.output_id = successes.output_id AND e.resolved_key = successes.resolved_key
    AND e.tree_id <> successes.tree_id AND e.alias_of IS NULL ORDER BY e.id DESC LIMIT 1)
WHERE id = :success;

-- name: valid-again
-- To be repeated until it gives no row: stale ones below whose inputs are all as they were read again are valid.
WITH RECURSIVE below (id) AS (
  VALUES (:success)
  UNION
  SELECT s.id FROM below b JOIN successes v ON v.id = b.id JOIN success_inputs i ON i.input_output_id = v.output_id
    AND i.tree_id = v.tree_id JOIN successes s ON s.id = i.success_id WHERE s.stale = 1)
UPDATE successes SET stale = 0 WHERE stale = 1 AND id IN (SELECT id FROM below) AND NOT EXISTS (
  SELECT 1 FROM success_inputs i WHERE i.success_id = successes.id AND NOT EXISTS (
    SELECT 1 FROM standing c JOIN successes v ON v.id = c.success_id
    WHERE c.output_id = i.input_output_id AND v.tree_id = i.tree_id AND v.stale = 0))
RETURNING id;

-- name: end
-- An execution, whatever came of it, and its lease. :inputs is bencode({ dependency name: tree digest in hex }), as read.
UPDATE executions SET outcome = :outcome, ended_at = :now, failure_kind = :kind, failure_message = :message,
  inputs = :inputs, log = :log
WHERE id = (SELECT execution_id FROM leases WHERE token = :token);
DELETE FROM leases WHERE token = :token;

-- name: end-run
UPDATE runs SET status = :status, ended_at = :now, same = 0, reused = 0, not_started = 0,
  ran = (SELECT count(*) FROM executions e WHERE e.run_id = runs.id AND e.outcome = 'success'),
  failed = (SELECT count(*) FROM executions e WHERE e.run_id = runs.id AND e.outcome = 'failure')
WHERE run = :run;
