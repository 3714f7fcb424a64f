// What a shared record does in the database itself: claiming, committing and aliasing, each one round trip and one
// transaction. Their text is renewed with each migration: whoever changes it adds one.
import { NOT_THE_TASKS } from "./failure-kinds.ts";
import { becomesValid, makeStale, outdatedInput } from "./validity-sql.ts";

/** SQLSTATE of the question whether an isolation suffices for another; the detail holds both. */
export const ISOLATION_ASKED = "AL001";

/** Which isolation suffices is known outside (isolation.ts): what was never asked is asked there, and noted. */
const SUFFICES = `
CREATE OR REPLACE FUNCTION isolation_suffices(_have text, _want text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE _suffices boolean;
BEGIN
  IF _have = _want OR _want = 'none' THEN RETURN true; END IF;
  SELECT suffices INTO _suffices FROM isolation_order WHERE have = _have AND want = _want;
  IF _suffices IS NULL THEN
    RAISE 'does % suffice for %?', _have, _want USING ERRCODE = '${ISOLATION_ASKED}', DETAIL = json_build_array(_have, _want)::text;
  END IF;
  RETURN _suffices;
END $$`;

/** After a restart of the server nobody could be heard for a while: whoever lived then has a whole lease to come back. */
const LIVES = `
CREATE OR REPLACE FUNCTION lives(_run_id bigint) RETURNS boolean LANGUAGE sql VOLATILE AS $$
  SELECT coalesce((SELECT greatest(until, pg_postmaster_start_time() + lease) > clock_timestamp() FROM live WHERE run_id = _run_id), false)
$$`;

const NOTE_OUTPUT = `
CREATE OR REPLACE FUNCTION note_output(_output bytea) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE _id bigint;
BEGIN
  SELECT id INTO _id FROM outputs WHERE output = _output;
  IF _id IS NULL THEN
    INSERT INTO outputs (output) VALUES (_output) ON CONFLICT DO NOTHING;
    SELECT id INTO STRICT _id FROM outputs WHERE output = _output;
  END IF;
  RETURN _id;
END $$`;

/** Held shared by whoever only adds to what stands, alone by whoever changes it: so nobody reads an input as valid that
 *  becomes stale at this moment. Held until the transaction ends. */
const LOCK_STANDING = `
CREATE OR REPLACE FUNCTION lock_standing(_change boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE _key bigint := hashtextextended('alamode.standing:' || current_schema(), 0);
BEGIN
  IF _change THEN PERFORM pg_advisory_xact_lock(_key); ELSE PERFORM pg_advisory_xact_lock_shared(_key); END IF;
END $$`;

/** Whether something stands for the output already, or was made from it: then a success of it may change what others are worth. */
const CHANGES_STANDING = `
CREATE OR REPLACE FUNCTION changes_standing(_output_id bigint) RETURNS boolean LANGUAGE sql VOLATILE AS $$
  SELECT EXISTS (SELECT 1 FROM standing WHERE output_id = _output_id)
    OR EXISTS (SELECT 1 FROM success_inputs WHERE input_output_id = _output_id)
$$`;

/** As in sqlite-commit.ts and sqlite-validity.ts. Under `lock_standing`. */
const TAKE_PLACE = `
CREATE OR REPLACE FUNCTION take_place(_output_id bigint, _success_id bigint, _isolation text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  _before record;
  _stale boolean;
  _current boolean;
  _made_stale bigint;
  _changed bigint[] := ARRAY[_output_id];
  _next bigint;
  _row record;
BEGIN
  SELECT s.id, s.isolation, s.state, s.stale INTO _before FROM standing c JOIN successes s ON s.id = c.success_id
    WHERE c.output_id = _output_id;
  _stale := EXISTS (${outdatedInput("_success_id")});
  _current := CASE
    WHEN _before.id IS NULL OR _before.state <> 'current' THEN true
    WHEN _before.stale = 1 AND NOT _stale THEN true
    WHEN _stale AND _before.stale = 0 THEN false
    ELSE NOT isolation_suffices(_before.isolation, _isolation) END;
  UPDATE successes SET stale = CASE WHEN _stale THEN 1 ELSE 0 END, state = CASE WHEN _current THEN 'current' ELSE 'other' END
    WHERE id = _success_id;
  IF NOT _current THEN RETURN 0; END IF;
  UPDATE successes SET state = 'superseded' WHERE id = _before.id AND state = 'current';
  INSERT INTO standing (output_id, success_id) VALUES (_output_id, _success_id)
    ON CONFLICT (output_id) DO UPDATE SET success_id = excluded.success_id;
  ${makeStale("_output_id")};
  GET DIAGNOSTICS _made_stale = ROW_COUNT;
  WHILE cardinality(_changed) > 0 LOOP
    _next := _changed[cardinality(_changed)];
    _changed := trim_array(_changed, 1);
    FOR _row IN ${becomesValid("_next")} LOOP
      UPDATE successes SET stale = 0 WHERE id = _row.id;
      IF _row.stands = 1 THEN _changed := _changed || _row.output_id; END IF;
    END LOOP;
  END LOOP;
  RETURN _made_stale;
END $$`;

const WRITE_INPUTS = `
CREATE OR REPLACE FUNCTION write_inputs(_success_id bigint, _inputs jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO success_inputs (success_id, name, input_output_id, tree_id)
    SELECT _success_id, i ->> 0, note_output(decode(i ->> 1, 'hex')), (SELECT id FROM trees WHERE digest = decode(i ->> 2, 'hex'))
    FROM jsonb_array_elements(_inputs) AS i;
END $$`;

/**
 * Commits what `_requests` says of each, with the trees and stamps of the same index. A request whose lease is lost is told as
 * that, without harm to the others. Answers in the order of the requests; `n` counts from 0.
 */
const COMMIT = `
CREATE OR REPLACE FUNCTION commit_successes(_requests jsonb, _trees bytea[], _stamps bytea[])
RETURNS TABLE (n bigint, lost boolean, id bigint, state text, stale bigint, settled bigint, made_stale bigint, differs bytea)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  _r jsonb;
  _n bigint := -1;
  _execution_id bigint;
  _output_id bigint;
  _awaited boolean;
  _success_id bigint;
  _tree_id bigint;
  _made_stale bigint;
  _change boolean;
BEGIN
  -- In an order that all have, so that nobody waits for one who waits for him.
  INSERT INTO trees (digest, bytes)
    SELECT DISTINCT ON (t.digest) t.digest, t.bytes
    FROM (SELECT decode(r.value ->> 'digest', 'hex') AS digest, _trees[r.ordinality] AS bytes
          FROM jsonb_array_elements(_requests) WITH ORDINALITY AS r) AS t
    WHERE NOT EXISTS (SELECT 1 FROM trees k WHERE k.digest = t.digest)
    ORDER BY t.digest ON CONFLICT (digest) DO NOTHING;
  _change := EXISTS (SELECT 1 FROM jsonb_array_elements(_requests) AS r JOIN outputs o ON o.output = decode(r ->> 'output', 'hex')
    WHERE changes_standing(o.id));
  PERFORM lock_standing(_change);
  FOR _r IN SELECT r.value FROM jsonb_array_elements(_requests) WITH ORDINALITY AS r ORDER BY r.ordinality LOOP
    _n := _n + 1;
    _execution_id := NULL; _output_id := NULL; _success_id := NULL;
    SELECT e.id INTO _execution_id FROM executions e JOIN runs r ON r.id = e.run_id
      WHERE r.run = _r ->> 'run' AND e.n = (_r ->> 'n')::bigint;
    -- Its row is locked, so that the same request on a connection that was given up has ended when we go on.
    SELECT l.output_id, l.awaited INTO _output_id, _awaited FROM leases l JOIN outputs o ON o.id = l.output_id
      WHERE l.token = _r ->> 'token' AND l.execution_id = _execution_id AND o.output = decode(_r ->> 'output', 'hex') FOR UPDATE OF l;
    SELECT s.id INTO _success_id FROM successes s WHERE s.execution_id = _execution_id AND s.alias_of IS NULL;
    IF _success_id IS NULL AND _output_id IS NULL THEN
      RETURN QUERY SELECT _n, true, NULL::bigint, NULL::text, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bytea;
      CONTINUE;
    END IF;
    IF _success_id IS NULL THEN
      IF NOT _change AND changes_standing(_output_id) THEN
        RAISE 'an output was aliased at this moment' USING ERRCODE = 'serialization_failure';
      END IF;
      SELECT t.id INTO STRICT _tree_id FROM trees t WHERE t.digest = decode(_r ->> 'digest', 'hex');
      INSERT INTO successes (output_id, execution_id, tree_id, resolved_key, location, store, isolation, state, stale, settled,
          host, boot, made_at, size_bytes, files, made_stale, stamps)
        VALUES (_output_id, _execution_id, _tree_id, decode(_r ->> 'key', 'hex'), _r ->> 'location', _r ->> 'store',
          _r ->> 'isolation', 'other', 0, 0, _r ->> 'host', _r ->> 'boot', (_r ->> 'ended')::bigint, (_r ->> 'size')::bigint,
          (_r ->> 'files')::bigint, 0, _stamps[_n + 1])
        RETURNING successes.id INTO _success_id;
      PERFORM write_inputs(_success_id, _r -> 'inputs');
      _made_stale := take_place(_output_id, _success_id, _r ->> 'isolation');
      UPDATE successes s SET made_stale = _made_stale, differs_from_id = (
          SELECT e.tree_id FROM successes e
          WHERE e.output_id = s.output_id AND e.resolved_key = s.resolved_key AND e.tree_id <> s.tree_id AND e.alias_of IS NULL
          ORDER BY e.id DESC LIMIT 1)
        WHERE s.id = _success_id;
      UPDATE executions SET outcome = 'success', ended_at = (_r ->> 'ended')::bigint, host = _r ->> 'host',
          inputs = decode(_r ->> 'read', 'hex'), max_rss_bytes = (_r ->> 'rss')::bigint, user_ms = (_r ->> 'user_ms')::bigint,
          system_ms = (_r ->> 'system_ms')::bigint, log = _r ->> 'log'
        WHERE executions.id = _execution_id;
      DELETE FROM leases WHERE execution_id = _execution_id;
      IF _awaited THEN PERFORM pg_notify('alamode_ended', (_r ->> 'run') || '-' || (_r ->> 'n')); END IF;
    END IF;
    RETURN QUERY SELECT _n, false, s.id, s.state, s.stale, s.settled, s.made_stale, d.digest
      FROM successes s LEFT JOIN trees d ON d.id = s.differs_from_id WHERE s.id = _success_id;
  END LOOP;
END $$`;

/** For each request, in order, the id of the success that stands for its output then; null where the original has no bytes. */
const ALIAS = `
CREATE OR REPLACE FUNCTION alias_outputs(_requests jsonb, _made_at bigint) RETURNS TABLE (n bigint, id bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  _r jsonb;
  _n bigint := -1;
  _output_id bigint;
  _standing record;
  _success_id bigint;
  _change boolean;
BEGIN
  _change := EXISTS (SELECT 1 FROM jsonb_array_elements(_requests) AS r JOIN outputs o ON o.output = decode(r ->> 'output', 'hex')
    WHERE changes_standing(o.id));
  PERFORM lock_standing(_change);
  FOR _r IN SELECT r.value FROM jsonb_array_elements(_requests) WITH ORDINALITY AS r ORDER BY r.ordinality LOOP
    _n := _n + 1;
    _output_id := note_output(decode(_r ->> 'output', 'hex'));
    SELECT s.id, s.stale, s.isolation INTO _standing FROM standing c JOIN successes s ON s.id = c.success_id
      WHERE c.output_id = _output_id AND s.state = 'current';
    IF _standing.id IS NULL OR _standing.stale = 1 OR NOT isolation_suffices(_standing.isolation, _r ->> 'isolation') THEN
      IF NOT _change AND changes_standing(_output_id) THEN
        RAISE 'an output was made at this moment' USING ERRCODE = 'serialization_failure';
      END IF;
      _success_id := NULL;
      -- Stamps are not copied: they may be long, and are looked up at the original.
      INSERT INTO successes (output_id, execution_id, alias_of, tree_id, resolved_key, location, store, isolation, state, stale,
          settled, host, boot, made_at, size_bytes, files, made_stale, stamps)
        SELECT _output_id, o.execution_id, o.id, o.tree_id, o.resolved_key, o.location, o.store, _r ->> 'isolation', 'other', 0,
          o.settled, o.host, o.boot, _made_at, o.size_bytes, o.files, 0, ''
        FROM successes o
        WHERE o.id = (_r ->> 'original')::bigint AND o.alias_of IS NULL AND o.state NOT IN ('lost', 'damaged')
        RETURNING successes.id INTO _success_id;
      IF _success_id IS NULL THEN
        RETURN QUERY SELECT _n, NULL::bigint;
        CONTINUE;
      END IF;
      PERFORM write_inputs(_success_id, _r -> 'inputs');
      PERFORM take_place(_output_id, _success_id, _r ->> 'isolation');
    END IF;
    RETURN QUERY SELECT _n, s.id FROM standing c JOIN successes s ON s.id = c.success_id
      WHERE c.output_id = _output_id AND s.state = 'current';
  END LOOP;
END $$`;

/** The answer to a claim, if it is another than who makes it; see sqlite-leases.ts. `_made`: whether to look for the resolved key too. */
const ANSWER = `
CREATE OR REPLACE FUNCTION answer_claim(
  _output bytea, _key bytea, _isolation text, _force boolean, _awaited_run text, _awaited_n bigint, _made boolean
) RETURNS TABLE (kind text, id bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  _awaited record;
  _success record;
BEGIN
  SELECT e.id, e.outcome, e.failure_kind INTO _awaited FROM executions e JOIN runs r ON r.id = e.run_id
    WHERE r.run = _awaited_run AND e.n = _awaited_n;
  SELECT s.id, s.stale INTO _success FROM standing c JOIN successes s ON s.id = c.success_id JOIN outputs o ON o.id = c.output_id
    WHERE o.output = _output AND s.state = 'current' AND isolation_suffices(s.isolation, _isolation);
  IF _success.id IS NOT NULL AND (NOT _force OR (_awaited.outcome = 'success' AND _success.stale = 0)) THEN
    RETURN QUERY SELECT 'done', _success.id;
  ELSIF _awaited.failure_kind NOT IN (${NOT_THE_TASKS.map((kind) => `'${kind}'`).join(", ")}) THEN
    RETURN QUERY SELECT 'failed', _awaited.id;
  ELSIF _made AND NOT _force AND EXISTS (SELECT 1 FROM successes s WHERE s.resolved_key = _key AND s.alias_of IS NULL
      AND s.state NOT IN ('lost', 'damaged') AND isolation_suffices(s.isolation, _isolation)) THEN
    RETURN QUERY SELECT 'same', NULL::bigint;
  END IF;
END $$`;

/**
 * Takes the lease, or says why not: `done` (`id` of the success), `failed` (of the execution), `same`, `held`. The columns from
 * `run` on are who holds it, or of `claimed` who held it and died. Asked again by the same execution, it answers the same.
 */
const CLAIM = `
CREATE OR REPLACE FUNCTION claim(
  _output bytea, _key bytea, _run text, _n bigint, _task text, _attempt bigint, _slot text, _executor text, _isolation text,
  _path text, _force boolean, _awaited_run text, _awaited_n bigint, _new_token text, _now bigint
) RETURNS TABLE (kind text, id bigint, token text, started_at bigint, run text, n bigint, task text, host text, pid bigint,
  since bigint, slot text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  _answer record;
  _lease record;
  _after_id bigint;
  _after_slot text;
  _run_id bigint;
  _host text;
  _output_id bigint := note_output(_output);
  _execution_id bigint;
BEGIN
  SELECT r.id, r.host INTO _run_id, _host FROM runs r WHERE r.run = _run;
  IF _run_id IS NULL THEN RETURN QUERY SELECT 'no run', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL; RETURN; END IF;
  LOOP
    -- Whoever asks again has the lease already.
    SELECT l.token, e.started_at, l.after_id, l.after_slot INTO _lease FROM leases l JOIN executions e ON e.id = l.execution_id
      WHERE e.run_id = _run_id AND e.n = _n;
    IF FOUND THEN
      RETURN QUERY SELECT 'claimed', NULL::bigint, _lease.token, _lease.started_at, d.run, d.n, d.task, d.host, d.pid, d.since, _lease.after_slot
        FROM (SELECT 1) AS one LEFT JOIN (
          SELECT e.id, r.run, e.n, e.task, e.host, r.pid, e.started_at AS since FROM executions e JOIN runs r ON r.id = e.run_id
        ) AS d ON d.id = _lease.after_id;
      RETURN;
    END IF;
    SELECT a.kind, a.id INTO _answer FROM answer_claim(_output, _key, _isolation, _force, _awaited_run, _awaited_n, false) AS a;
    IF _answer.kind IS NOT NULL THEN EXIT; END IF;

    SELECT l.execution_id, l.awaited, r.run, e.n, e.task, e.host, r.pid, e.started_at AS since, l.slot INTO _lease
      FROM leases l JOIN executions e ON e.id = l.execution_id JOIN runs r ON r.id = e.run_id
      WHERE (l.output_id = _output_id OR l.resolved_key = _key) AND lives(r.id)
      ORDER BY (l.output_id = _output_id) DESC LIMIT 1;
    IF FOUND THEN
      IF NOT _lease.awaited THEN
        UPDATE leases SET awaited = true WHERE execution_id = _lease.execution_id;
        CONTINUE WHEN NOT FOUND; -- it has ended meanwhile
      END IF;
      RETURN QUERY SELECT 'held', NULL::bigint, NULL::text, NULL::bigint, _lease.run, _lease.n, _lease.task, _lease.host,
        _lease.pid, _lease.since, _lease.slot;
      RETURN;
    END IF;
    SELECT a.kind, a.id INTO _answer FROM answer_claim(_output, _key, _isolation, _force, _awaited_run, _awaited_n, true) AS a;
    IF _answer.kind IS NOT NULL THEN EXIT; END IF;

    -- One that comes to life again at this moment loses its lease all the same.
    _after_id := NULL; _after_slot := NULL;
    FOR _lease IN SELECT l.execution_id, l.slot, l.awaited, r.run, e.n FROM leases l JOIN executions e ON e.id = l.execution_id
        JOIN runs r ON r.id = e.run_id
        WHERE (l.output_id = _output_id OR l.resolved_key = _key) AND NOT lives(r.id)
        ORDER BY (l.output_id = _output_id) DESC, l.output_id LOOP
      DELETE FROM leases WHERE execution_id = _lease.execution_id;
      CONTINUE WHEN NOT FOUND;
      UPDATE executions SET outcome = 'failure', ended_at = greatest(_now, executions.started_at), failure_kind = 'abandoned',
          failure_message = 'its engine died'
        WHERE executions.id = _lease.execution_id AND outcome = 'running';
      IF _lease.awaited THEN PERFORM pg_notify('alamode_ended', _lease.run || '-' || _lease.n); END IF;
      IF _after_id IS NULL THEN _after_id := _lease.execution_id; _after_slot := _lease.slot; END IF;
    END LOOP;

    _execution_id := nextval(pg_get_serial_sequence('executions', 'id'));
    INSERT INTO leases (output_id, execution_id, resolved_key, token, slot, after_id, after_slot)
      VALUES (_output_id, _execution_id, _key, _new_token, _slot, _after_id, _after_slot) ON CONFLICT DO NOTHING;
    CONTINUE WHEN NOT FOUND; -- another was quicker
    -- Whoever held it when we looked may have committed before it was ours.
    SELECT a.kind, a.id INTO _answer FROM answer_claim(_output, _key, _isolation, _force, _awaited_run, _awaited_n, true) AS a;
    IF _answer.kind IS NOT NULL THEN
      DELETE FROM leases WHERE execution_id = _execution_id;
      EXIT;
    END IF;
    INSERT INTO executions (id, run_id, n, output_id, task, attempt, started_at, outcome, host, executor, isolation, path)
      VALUES (_execution_id, _run_id, _n, _output_id, _task, _attempt, _now, 'running', _host, _executor, _isolation, _path);
  END LOOP; -- and answers as to one who asks again
  RETURN QUERY SELECT _answer.kind, _answer.id, NULL::text, NULL::bigint, NULL::text, NULL::bigint, NULL::text, NULL::text,
    NULL::bigint, NULL::bigint, NULL::text;
END $$`;

/** In an order in which each may name those before it. */
export const FUNCTIONS: readonly string[] = [
  SUFFICES,
  LIVES,
  NOTE_OUTPUT,
  LOCK_STANDING,
  CHANGES_STANDING,
  TAKE_PLACE,
  WRITE_INPUTS,
  COMMIT,
  ALIAS,
  ANSWER,
  CLAIM,
];
