-- What an engine asks of the embedded record and writes to it: schema 1, SQLite. docs/ENGINES.md says when, in which
-- transaction, and why; a test holds the two texts to each other. Values are named (:output). Digests, IDs and keys are blobs of
-- 32 bytes, times are ms since 1970, `bencode(…)` is as in docs/FORMAT.md. One statement under each name.

-- name: version
SELECT (SELECT user_version FROM pragma_user_version) AS version, (SELECT application_id FROM pragma_application_id) AS application

-- name: identity
SELECT id FROM identity

-- name: note-spec
INSERT INTO specs (digest, bytes) VALUES (:digest, :bytes) ON CONFLICT DO NOTHING

-- name: note-output
INSERT INTO outputs (output) VALUES (:output) ON CONFLICT DO NOTHING

-- name: describe-output
-- :inputs is bencode({ dependency name: outputs.id }), so every input is noted first.
UPDATE outputs SET spec_id = (SELECT id FROM specs WHERE digest = :digest), inputs = :inputs
WHERE output = :output AND spec_id IS NULL

-- name: note-plan
-- The digest is that of the plan's bencoding; :meta is bencode(meta).
INSERT INTO plans (digest, meta) VALUES (:digest, :meta)

-- name: note-task
INSERT INTO plan_tasks (plan_id, name, output_id)
VALUES (:plan, :name, (SELECT id FROM outputs WHERE output = :output))

-- name: start-run
INSERT INTO runs (run, pipeline, plan_id, params, goals, started_at, status, note, host, user, pid, version)
VALUES (:run, :pipeline, :plan, :params, :goals, :now, 'running', '', :host, :user, :pid, :version)

-- name: success
-- What stands for an output and has its bytes, as far as the record knows.
SELECT s.id, s.location, s.store, s.stale, s.settled, s.host, s.boot, s.isolation, t.digest
FROM outputs o JOIN standing c ON c.output_id = o.id JOIN successes s ON s.id = c.success_id JOIN trees t ON t.id = s.tree_id
WHERE o.output = :output AND s.state = 'current'

-- name: candidates
-- What was made before under a resolved key: originals, earliest first.
SELECT s.id, s.location, s.store, s.stale, s.settled, s.host, s.boot, s.isolation, t.digest
FROM successes s JOIN trees t ON t.id = s.tree_id
WHERE s.resolved_key = :key AND s.alias_of IS NULL AND s.state NOT IN ('lost', 'damaged') ORDER BY s.id

-- name: noted
-- The tree of a success, and its stamps, which an alias has from its original.
SELECT t.bytes, o.stamps FROM successes s JOIN successes o ON o.id = coalesce(s.alias_of, s.id) JOIN trees t ON t.id = s.tree_id
WHERE s.id = :success

-- name: mark
-- 'lost' or 'damaged', with all that rest on the same bytes. What stood for an output still does.
UPDATE successes SET state = :state
WHERE coalesce(alias_of, id) = (SELECT coalesce(alias_of, id) FROM successes WHERE id = :success)

-- name: leases
SELECT e.id, e.n, r.run, r.pid, e.host, e.task, l.slot FROM leases l JOIN executions e ON e.id = l.execution_id
  JOIN runs r ON r.id = e.run_id
WHERE l.output_id = (SELECT id FROM outputs WHERE output = :output) OR l.resolved_key = :key

-- name: awaited
SELECT outcome, failure_kind, failure_message FROM executions WHERE id = :execution

-- name: abandon
UPDATE executions SET outcome = 'failure', ended_at = :now, failure_kind = 'abandoned', failure_message = 'its engine died'
WHERE id = :execution AND outcome = 'running'

-- name: end-lease
DELETE FROM leases WHERE execution_id = :execution

-- name: begin
INSERT INTO executions (run_id, n, output_id, task, attempt, started_at, outcome, host, executor, isolation, path)
VALUES ((SELECT id FROM runs WHERE run = :run), :n, (SELECT id FROM outputs WHERE output = :output), :task, 1, :now, 'running',
  :host, :executor, 'none', :path)

-- name: lease
INSERT INTO leases (output_id, execution_id, resolved_key, token, slot)
VALUES ((SELECT id FROM outputs WHERE output = :output), :execution, :key, :token, :slot)

-- name: holds
SELECT 1 FROM leases WHERE token = :token AND execution_id = :execution

-- name: locations
-- Places that hold a tree of this output, or are believed to.
SELECT location FROM successes s JOIN outputs o ON o.id = s.output_id
WHERE o.output = :output AND s.store = :store AND s.state NOT IN ('lost', 'damaged')

-- name: note-tree
INSERT INTO trees (digest, bytes) VALUES (:tree, :bytes) ON CONFLICT DO NOTHING

-- name: succeed
INSERT INTO successes (output_id, execution_id, tree_id, resolved_key, location, store, isolation, state, stale, settled, host,
  boot, made_at, size_bytes, files, made_stale, stamps)
SELECT output_id, id, (SELECT id FROM trees WHERE digest = :tree), :key, :location, :store, 'none', 'other', 0, 0, :host, :boot,
  :now, :size, :files, 0, :stamps
FROM executions WHERE id = :execution

-- name: alias
INSERT INTO successes (output_id, execution_id, alias_of, tree_id, resolved_key, location, store, isolation, state, stale,
  settled, host, boot, made_at, size_bytes, files, made_stale, stamps)
SELECT (SELECT id FROM outputs WHERE output = :output), execution_id, id, tree_id, resolved_key, location, store, :isolation,
  'other', 0, settled, host, boot, :now, size_bytes, files, 0, x''
FROM successes WHERE id = :original AND alias_of IS NULL AND state NOT IN ('lost', 'damaged')

-- name: succeed-input
INSERT INTO success_inputs (success_id, name, input_output_id, tree_id)
VALUES (:success, :name, (SELECT id FROM outputs WHERE output = :output), (SELECT id FROM trees WHERE digest = :tree))

-- name: judge
-- Stale at birth, if an input is not what stands for it by now, or that is stale itself.
UPDATE successes SET stale = EXISTS (
  SELECT 1 FROM success_inputs i WHERE i.success_id = :success AND NOT EXISTS (
    SELECT 1 FROM standing c JOIN successes v ON v.id = c.success_id
    WHERE c.output_id = i.input_output_id AND v.tree_id = i.tree_id AND v.stale = 0))
WHERE id = :success

-- name: win
-- The first success wins while its bytes exist and it is valid. Changes no row where it does.
UPDATE successes SET state = 'current' WHERE id = :success AND NOT EXISTS (
  SELECT 1 FROM standing c JOIN successes b ON b.id = c.success_id
  WHERE c.output_id = successes.output_id AND b.state = 'current' AND NOT (b.stale = 1 AND successes.stale = 0))

-- name: supersede
UPDATE successes SET state = 'superseded' WHERE state = 'current' AND id = (
  SELECT c.success_id FROM standing c JOIN successes s ON s.output_id = c.output_id WHERE s.id = :success) AND id <> :success

-- name: stand
INSERT INTO standing (output_id, success_id) SELECT output_id, id FROM successes WHERE id = :success
ON CONFLICT (output_id) DO UPDATE SET success_id = excluded.success_id

-- name: make-stale
-- All that was made from what stood before with other bytes, and from that.
WITH RECURSIVE outdated (success_id) AS (
  SELECT s.id FROM success_inputs i JOIN successes s ON s.id = i.success_id
  WHERE i.input_output_id = (SELECT output_id FROM successes WHERE id = :success) AND s.stale = 0 AND NOT EXISTS (
    SELECT 1 FROM standing c JOIN successes v ON v.id = c.success_id
    WHERE c.output_id = i.input_output_id AND v.tree_id = i.tree_id AND v.stale = 0)
  UNION
  SELECT s.id FROM outdated d JOIN standing t ON t.success_id = d.success_id JOIN successes o ON o.id = t.success_id
    JOIN success_inputs i ON i.input_output_id = o.output_id AND i.tree_id = o.tree_id JOIN successes s ON s.id = i.success_id
  WHERE s.stale = 0)
UPDATE successes SET stale = 1 WHERE id IN (SELECT success_id FROM outdated)

-- name: valid-again
-- Stale ones whose inputs are all as they were read again. To be asked again for each of these that stands, once it is valid.
SELECT DISTINCT s.id, t.success_id IS NOT NULL AS stands
FROM successes v JOIN standing c ON c.success_id = v.id
  JOIN success_inputs m ON m.input_output_id = v.output_id AND m.tree_id = v.tree_id JOIN successes s ON s.id = m.success_id
  LEFT JOIN standing t ON t.success_id = s.id
WHERE v.id = :success AND v.stale = 0 AND s.stale = 1 AND NOT EXISTS (
  SELECT 1 FROM success_inputs i WHERE i.success_id = s.id AND NOT EXISTS (
    SELECT 1 FROM standing c JOIN successes w ON w.id = c.success_id
    WHERE c.output_id = i.input_output_id AND w.tree_id = i.tree_id AND w.stale = 0))

-- name: revalidate
UPDATE successes SET stale = 0 WHERE id = :success

-- name: tell-commit
-- So that it can be told again: what became stale, and whether an earlier tree made from the same differs.
UPDATE successes SET made_stale = :stale, differs_from_id = (
  SELECT e.tree_id FROM successes e WHERE e.output_id = successes.output_id AND e.resolved_key = successes.resolved_key
    AND e.tree_id <> successes.tree_id AND e.alias_of IS NULL ORDER BY e.id DESC LIMIT 1)
WHERE id = :success

-- name: end
UPDATE executions SET outcome = :outcome, ended_at = :now, failure_kind = :kind, failure_message = :message,
  exit_code = :exit, signal = :signal, inputs = :inputs, max_rss_bytes = :rss, user_ms = :user, system_ms = :system, log = :log,
  scratch = :scratch
WHERE id = :execution

-- name: kept
SELECT id, scratch FROM executions WHERE scratch IS NOT NULL
  AND output_id = (SELECT id FROM outputs WHERE output = :output) ORDER BY id DESC LIMIT -1 OFFSET 3

-- name: forget
UPDATE executions SET scratch = NULL WHERE id = :execution

-- name: end-run
UPDATE runs SET status = :status, ended_at = :now, ran = :ran, same = :same, reused = :reused, failed = :failed,
  not_started = :rest
WHERE run = :run AND status = 'running'
