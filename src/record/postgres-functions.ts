// What a shared record does in the database itself: claiming here, committing and aliasing in postgres-success-functions.ts, each
// one round trip and one transaction. Their text is renewed with each migration: whoever changes it adds one.
import { NOT_THE_TASKS } from "./failure-kinds.ts";
import { SUCCESS_FUNCTIONS } from "./postgres-success-functions.ts";

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
CREATE OR REPLACE FUNCTION lives(_run_id bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RETURN coalesce((SELECT greatest(until, pg_postmaster_start_time() + lease) > clock_timestamp() FROM live WHERE run_id = _run_id), false);
END $$`;

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
  IF _run_id IS NULL THEN
    RETURN QUERY SELECT 'no run', NULL::bigint, NULL::text, NULL::bigint, NULL::text, NULL::bigint, NULL::text, NULL::text,
      NULL::bigint, NULL::bigint, NULL::text;
    RETURN;
  END IF;
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
  ...SUCCESS_FUNCTIONS,
  ANSWER,
  CLAIM,
];
