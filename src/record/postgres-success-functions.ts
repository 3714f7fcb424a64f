// Committing and aliasing in a shared record's database: what a new success is beside the one that stands, and what that does to
// others. As in sqlite-commit.ts, sqlite-alias.ts and sqlite-validity.ts; but each row is written as it is to stay, since changing
// one costs as much as writing it, and what concerns nobody else is written many at once.
import { becomesValid, makeStale, OUTDATED } from "./validity-sql.ts";

/** Few rows of tables that grow while the plan of a statement is kept: each is looked up, whatever their size was at first. */
const LOOK_UP = "SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off";

/** Notes outputs that are not known, in an order that all have, so that nobody waits for one who waits for him. */
const NOTE_OUTPUTS = `
CREATE OR REPLACE FUNCTION note_outputs(_outputs bytea[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO outputs (output) SELECT DISTINCT asked FROM unnest(_outputs) AS asked
    WHERE NOT EXISTS (SELECT 1 FROM outputs WHERE output = asked) ORDER BY asked ON CONFLICT DO NOTHING;
END $$`;

/** The ids of the table's rows that have these in the column, in the order in which they are asked for. */
const idsFunction = (name: string, table: string, column: string) => `
CREATE OR REPLACE FUNCTION ${name}(_asked bytea[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
BEGIN
  RETURN ARRAY(SELECT (SELECT k.id FROM ${table} k WHERE k.${column} = a.asked)
    FROM unnest(_asked) WITH ORDINALITY AS a (asked, n) ORDER BY a.n);
END $$`;

/** Whether something stands for the output already, or was made from it: then a success of it may change what others are worth. */
const CHANGES_STANDING = `
CREATE OR REPLACE FUNCTION changes_standing(_output_id bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RETURN EXISTS (SELECT 1 FROM standing WHERE output_id = _output_id)
    OR EXISTS (SELECT 1 FROM success_inputs WHERE input_output_id = _output_id);
END $$`;

/**
 * Writes a success, of which all is given but its id, whether it is current and whether it is stale; and lets it stand if it is to.
 * `_fresh`: it changes nothing that stands, else that is locked alone. Returns its id and how many became stale by it.
 */
const ADD_SUCCESS = `
CREATE OR REPLACE FUNCTION add_success(
  _new successes, _names text[], _outputs bigint[], _trees bigint[], _fresh boolean, OUT id bigint, OUT made_stale bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  _before record;
  _current boolean := true;
  _changed bigint[] := ARRAY[_new.output_id];
  _next bigint;
  _row record;
BEGIN
  _new.stale := CASE WHEN EXISTS (
    SELECT 1 FROM unnest(_outputs, _trees) AS i (input_output_id, tree_id) WHERE ${OUTDATED}) THEN 1 ELSE 0 END;
  IF NOT _fresh THEN
    SELECT s.id, s.isolation, s.state, s.stale INTO _before FROM standing c JOIN successes s ON s.id = c.success_id
      WHERE c.output_id = _new.output_id;
    _current := CASE
      WHEN _before.id IS NULL OR _before.state <> 'current' THEN true
      WHEN _before.stale = 1 AND _new.stale = 0 THEN true
      WHEN _new.stale = 1 AND _before.stale = 0 THEN false
      ELSE NOT isolation_suffices(_before.isolation, _new.isolation) END;
  END IF;
  _new.id := nextval(pg_get_serial_sequence('successes', 'id'));
  _new.state := CASE WHEN _current THEN 'current' ELSE 'other' END;
  id := _new.id;
  made_stale := 0;
  INSERT INTO successes SELECT _new.*;
  INSERT INTO success_inputs (success_id, name, input_output_id, tree_id)
    SELECT _new.id, i.* FROM unnest(_names, _outputs, _trees) AS i;
  IF _fresh THEN
    INSERT INTO standing (output_id, success_id) VALUES (_new.output_id, _new.id) ON CONFLICT (output_id) DO NOTHING;
    IF NOT FOUND THEN RAISE 'an output was made at this moment' USING ERRCODE = 'serialization_failure'; END IF;
  ELSIF _current THEN
    UPDATE successes SET state = 'superseded' WHERE successes.id = _before.id AND state = 'current';
    INSERT INTO standing (output_id, success_id) VALUES (_new.output_id, _new.id)
      ON CONFLICT (output_id) DO UPDATE SET success_id = excluded.success_id;
    ${makeStale("_new.output_id")};
    GET DIAGNOSTICS made_stale = ROW_COUNT;
    WHILE cardinality(_changed) > 0 LOOP
      _next := _changed[cardinality(_changed)];
      _changed := trim_array(_changed, 1);
      FOR _row IN ${becomesValid("_next")} LOOP
        UPDATE successes SET stale = 0 WHERE successes.id = _row.id;
        IF _row.stands = 1 THEN _changed := _changed || _row.output_id; END IF;
      END LOOP;
    END LOOP;
  END IF;
END $$`;

/**
 * Commits what `_requests` says of each, with the trees and stamps of the same index. A request whose lease is lost is told as
 * that, without harm to the others. Answers in the order of the requests; `n` counts from 0.
 */
const COMMIT = `
CREATE OR REPLACE FUNCTION commit_successes(_requests jsonb, _trees bytea[], _stamps bytea[])
RETURNS TABLE (n bigint, lost boolean, id bigint, state text, stale bigint, settled bigint, made_stale bigint, differs bytea)
LANGUAGE plpgsql ${LOOK_UP} AS $$
#variable_conflict use_column
DECLARE
  _r jsonb;
  _n bigint := -1;
  _new successes;
  _awaited boolean;
  _change boolean;
  _fresh boolean;
  _made_stale bigint;
BEGIN
  -- In an order that all have, so that nobody waits for one who waits for him.
  INSERT INTO trees (digest, bytes)
    SELECT DISTINCT ON (t.digest) t.digest, t.bytes
    FROM (SELECT decode(r.value ->> 'digest', 'hex') AS digest, _trees[r.ordinality] AS bytes
          FROM jsonb_array_elements(_requests) WITH ORDINALITY AS r) AS t
    WHERE NOT EXISTS (SELECT 1 FROM trees k WHERE k.digest = t.digest)
    ORDER BY t.digest ON CONFLICT (digest) DO NOTHING;
  PERFORM note_outputs(ARRAY(SELECT decode(i ->> 1, 'hex') FROM jsonb_array_elements(_requests) AS r, jsonb_array_elements(r -> 'inputs') AS i));
  _change := EXISTS (SELECT 1 FROM jsonb_array_elements(_requests) AS r JOIN outputs o ON o.output = decode(r ->> 'output', 'hex')
    WHERE changes_standing(o.id));
  PERFORM lock_standing(_change);
  FOR _r IN SELECT r.value FROM jsonb_array_elements(_requests) WITH ORDINALITY AS r ORDER BY r.ordinality LOOP
    _n := _n + 1;
    _new := NULL;
    SELECT e.id INTO _new.execution_id FROM executions e JOIN runs r ON r.id = e.run_id
      WHERE r.run = _r ->> 'run' AND e.n = (_r ->> 'n')::bigint;
    -- Its row is locked, so that the same request on a connection that was given up has ended when we go on.
    SELECT l.output_id, l.awaited INTO _new.output_id, _awaited FROM leases l JOIN outputs o ON o.id = l.output_id
      WHERE l.token = _r ->> 'token' AND l.execution_id = _new.execution_id AND o.output = decode(_r ->> 'output', 'hex') FOR UPDATE OF l;
    SELECT s.id INTO _new.id FROM successes s WHERE s.execution_id = _new.execution_id AND coalesce(s.alias_of, 0) = 0;
    IF _new.id IS NULL AND _new.output_id IS NULL THEN
      RETURN QUERY SELECT _n, true, NULL::bigint, NULL::text, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bytea;
      CONTINUE;
    END IF;
    IF _new.id IS NULL THEN
      _fresh := NOT changes_standing(_new.output_id);
      IF NOT _change AND NOT _fresh THEN
        RAISE 'an output was aliased at this moment' USING ERRCODE = 'serialization_failure';
      END IF;
      SELECT t.id INTO STRICT _new.tree_id FROM trees t WHERE t.digest = decode(_r ->> 'digest', 'hex');
      _new.resolved_key := decode(_r ->> 'key', 'hex');
      _new.location := _r ->> 'location';
      _new.store := _r ->> 'store';
      _new.isolation := _r ->> 'isolation';
      _new.settled := 0;
      _new.host := _r ->> 'host';
      _new.boot := _r ->> 'boot';
      _new.made_at := (_r ->> 'ended')::bigint;
      _new.size_bytes := (_r ->> 'size')::bigint;
      _new.files := (_r ->> 'files')::bigint;
      _new.made_stale := 0;
      _new.stamps := _stamps[_n + 1];
      SELECT e.tree_id INTO _new.differs_from_id FROM successes e
        WHERE e.output_id = _new.output_id AND e.resolved_key = _new.resolved_key AND e.tree_id <> _new.tree_id AND e.alias_of IS NULL
        ORDER BY e.id DESC LIMIT 1;
      SELECT a.id, a.made_stale INTO _new.id, _made_stale FROM (
          SELECT array_agg(i ->> 0) AS names, array_agg(decode(i ->> 1, 'hex')) AS outputs, array_agg(decode(i ->> 2, 'hex')) AS trees
          FROM jsonb_array_elements(_r -> 'inputs') AS i) AS i,
        add_success(_new, i.names, output_ids(i.outputs), tree_ids(i.trees), _fresh) AS a;
      IF _made_stale > 0 THEN UPDATE successes SET made_stale = _made_stale WHERE successes.id = _new.id; END IF;
      UPDATE executions SET outcome = 'success', ended_at = (_r ->> 'ended')::bigint, host = _r ->> 'host',
          inputs = decode(_r ->> 'read', 'hex'), max_rss_bytes = (_r ->> 'rss')::bigint, user_ms = (_r ->> 'user_ms')::bigint,
          system_ms = (_r ->> 'system_ms')::bigint, log = _r ->> 'log'
        WHERE executions.id = _new.execution_id;
      DELETE FROM leases WHERE execution_id = _new.execution_id;
      IF _awaited THEN PERFORM pg_notify('alamode_ended', (_r ->> 'run') || '-' || (_r ->> 'n')); END IF;
    END IF;
    RETURN QUERY SELECT _n, false, s.id, s.state, s.stale, s.settled, s.made_stale, d.digest
      FROM successes s LEFT JOIN trees d ON d.id = s.differs_from_id WHERE s.id = _new.id;
  END LOOP;
END $$`;

/**
 * Of outputs to be aliased: whether it is `fresh`, so that it concerns nobody else, in the record or among these; and whether the
 * alias may `change` what stands, since what does is missing, stale, or isolated too weakly.
 */
const ALIAS_KINDS = `
CREATE OR REPLACE FUNCTION alias_kinds(_outputs bigint[], _isolations text[], _inputs bigint[], OUT fresh boolean[], OUT change boolean[])
LANGUAGE sql VOLATILE AS $$
  SELECT array_agg(fresh ORDER BY n), array_agg(change ORDER BY n) FROM (
    SELECT k.n, k.fresh, NOT k.fresh AND NOT CASE WHEN k.state = 'current' AND k.stale = 0 THEN isolation_suffices(k.have, k.want) ELSE false END AS change
    FROM (
      SELECT a.n, s.state, s.stale, s.isolation AS have, a.isolation AS want,
        c.output_id IS NULL AND count(*) OVER (PARTITION BY a.output_id) = 1 AND a.output_id NOT IN (SELECT unnest(_inputs))
          AND NOT EXISTS (SELECT 1 FROM success_inputs i WHERE i.input_output_id = a.output_id) AS fresh
      FROM unnest(_outputs, _isolations) WITH ORDINALITY AS a (output_id, isolation, n)
        LEFT JOIN standing c ON c.output_id = a.output_id LEFT JOIN successes s ON s.id = c.success_id
    ) AS k) AS kinds
$$`;

/**
 * For each request, in order, the id of the success that stands for its output then; null where the original has no bytes. Inputs of
 * all requests come in one row of arrays; `_of` says whose they are, counting from 1. What is fresh is written first, which is the same.
 */
const ALIAS = `
CREATE OR REPLACE FUNCTION alias_outputs(
  _outputs bytea[], _originals bigint[], _isolations text[], _of bigint[], _names text[], _inputs bytea[], _digests bytea[], _made_at bigint
) RETURNS TABLE (n bigint, id bigint) LANGUAGE plpgsql ${LOOK_UP} AS $$
#variable_conflict use_column
DECLARE
  _sequence regclass := pg_get_serial_sequence('successes', 'id');
  _output_ids bigint[];
  _input_ids bigint[];
  _tree_ids bigint[];
  _change boolean;
  _kinds record;
  _ids bigint[];
  _rows bigint;
  _standing record;
  _new successes;
BEGIN
  PERFORM note_outputs(_outputs || _inputs);
  _output_ids := output_ids(_outputs);
  _input_ids := output_ids(_inputs);
  _tree_ids := tree_ids(_digests);
  SELECT true = ANY(change) INTO _change FROM alias_kinds(_output_ids, _isolations, _input_ids);
  PERFORM lock_standing(_change);
  SELECT * INTO _kinds FROM alias_kinds(_output_ids, _isolations, _input_ids);

  -- Those that concern nobody else, all at once. 0: no id, since the original's bytes are gone, or it is none of them.
  SELECT array_agg(CASE WHEN a.fresh AND EXISTS (SELECT 1 FROM successes o
      WHERE o.id = a.original AND o.alias_of IS NULL AND o.state NOT IN ('lost', 'damaged')) THEN nextval(_sequence) ELSE 0 END ORDER BY a.n)
    INTO _ids FROM unnest(_originals, _kinds.fresh) WITH ORDINALITY AS a (original, fresh, n);
  -- Stamps are not copied: they may be long, and are looked up at the original.
  INSERT INTO successes (id, output_id, execution_id, alias_of, tree_id, resolved_key, location, store, isolation, state, stale,
      settled, host, boot, made_at, size_bytes, files, made_stale, stamps)
    SELECT a.id, a.output_id, o.execution_id, o.id, o.tree_id, o.resolved_key, o.location, o.store, a.isolation, 'current',
      CASE WHEN a.n IN (
        SELECT i.n FROM unnest(_of, _input_ids, _tree_ids) AS i (n, input_output_id, tree_id) WHERE ${OUTDATED}) THEN 1 ELSE 0 END,
      o.settled, o.host, o.boot, _made_at, o.size_bytes, o.files, 0, ''
    FROM unnest(_ids, _output_ids, _originals, _isolations) WITH ORDINALITY AS a (id, output_id, original, isolation, n)
      JOIN successes o ON o.id = a.original
    WHERE a.id <> 0;
  INSERT INTO success_inputs (success_id, name, input_output_id, tree_id)
    SELECT _ids[i.n], i.name, i.input_output_id, i.tree_id
    FROM unnest(_of, _names, _input_ids, _tree_ids) AS i (n, name, input_output_id, tree_id) WHERE _ids[i.n] <> 0;
  INSERT INTO standing (output_id, success_id)
    SELECT a.output_id, a.id FROM unnest(_output_ids, _ids) AS a (output_id, id) WHERE a.id <> 0
    ORDER BY a.output_id ON CONFLICT (output_id) DO NOTHING;
  GET DIAGNOSTICS _rows = ROW_COUNT;
  IF _rows <> cardinality(array_remove(_ids, 0)) THEN
    RAISE 'an output was made at this moment' USING ERRCODE = 'serialization_failure';
  END IF;

  FOR _n IN 1 .. cardinality(_output_ids) LOOP
    n := _n;
    id := nullif(_ids[_n], 0);
    IF _kinds.fresh[_n] THEN
      RETURN NEXT;
      CONTINUE;
    END IF;
    SELECT s.id, s.stale, s.isolation INTO _standing FROM standing c JOIN successes s ON s.id = c.success_id
      WHERE c.output_id = _output_ids[_n] AND s.state = 'current';
    IF _standing.id IS NULL OR _standing.stale = 1 OR NOT isolation_suffices(_standing.isolation, _isolations[_n]) THEN
      IF NOT _change THEN RAISE 'what stands was changed at this moment' USING ERRCODE = 'serialization_failure'; END IF;
      SELECT * INTO _new FROM successes o
        WHERE o.id = _originals[_n] AND o.alias_of IS NULL AND o.state NOT IN ('lost', 'damaged');
      IF NOT FOUND THEN
        RETURN NEXT;
        CONTINUE;
      END IF;
      _new.output_id := _output_ids[_n];
      _new.alias_of := _originals[_n];
      _new.isolation := _isolations[_n];
      _new.made_at := _made_at;
      _new.differs_from_id := NULL;
      _new.made_stale := 0;
      _new.stamps := '';
      PERFORM add_success(_new, i.names, i.outputs, i.trees, false) FROM (
        SELECT array_agg(i.name) AS names, array_agg(i.input_output_id) AS outputs, array_agg(i.tree_id) AS trees
        FROM unnest(_of, _names, _input_ids, _tree_ids) AS i (n, name, input_output_id, tree_id) WHERE i.n = _n) AS i;
      SELECT s.id INTO _standing FROM standing c JOIN successes s ON s.id = c.success_id
        WHERE c.output_id = _output_ids[_n] AND s.state = 'current';
    END IF;
    id := _standing.id;
    RETURN NEXT;
  END LOOP;
END $$`;

/** In an order in which each may name those before it, and those in postgres-functions.ts that come before. */
export const SUCCESS_FUNCTIONS: readonly string[] = [
  NOTE_OUTPUTS,
  idsFunction("output_ids", "outputs", "output"),
  idsFunction("tree_ids", "trees", "digest"),
  CHANGES_STANDING,
  ADD_SUCCESS,
  COMMIT,
  ALIAS_KINDS,
  ALIAS,
];
