-- version 1
executions.id bigint NOT NULL
executions.run_id bigint NOT NULL
executions.n bigint NOT NULL
executions.output_id bigint NOT NULL
executions.task text NOT NULL
executions.attempt bigint NOT NULL
executions.started_at bigint NOT NULL
executions.ended_at bigint
executions.outcome text NOT NULL
executions.failure_kind text
executions.failure_message text
executions.failure_hint text
executions.exit_code bigint
executions.signal text
executions.host text NOT NULL
executions.executor text NOT NULL
executions.isolation text NOT NULL
executions.path text NOT NULL
executions.inputs bytea
executions.max_rss_bytes bigint
executions.user_ms bigint
executions.system_ms bigint
executions.log text
executions.scratch text
identity.id text NOT NULL
isolation_order.have text NOT NULL
isolation_order.want text NOT NULL
isolation_order.suffices boolean NOT NULL
leases.output_id bigint NOT NULL
leases.execution_id bigint NOT NULL
leases.resolved_key bytea NOT NULL
leases.token text NOT NULL
leases.slot text NOT NULL
leases.after_id bigint
leases.after_slot text
leases.awaited boolean NOT NULL
live.run_id bigint NOT NULL
live.until timestamp with time zone NOT NULL
live.lease interval NOT NULL
outputs.id bigint NOT NULL
outputs.output bytea NOT NULL
outputs.spec_id bigint
outputs.inputs bytea
plan_tasks.plan_id bigint NOT NULL
plan_tasks.name text NOT NULL
plan_tasks.output_id bigint NOT NULL
plans.id bigint NOT NULL
plans.digest bytea NOT NULL
plans.meta bytea NOT NULL
runs.id bigint NOT NULL
runs.run text NOT NULL
runs.pipeline text NOT NULL
runs.plan_id bigint NOT NULL
runs.params bytea NOT NULL
runs.goals bytea NOT NULL
runs.started_at bigint NOT NULL
runs.ended_at bigint
runs.status text NOT NULL
runs.ran bigint
runs.same bigint
runs.reused bigint
runs.failed bigint
runs.not_started bigint
runs.note text NOT NULL
runs.host text NOT NULL
runs.user text NOT NULL
runs.pid bigint NOT NULL
runs.version text NOT NULL
schedule_slots.pipeline text NOT NULL
schedule_slots.series text NOT NULL
schedule_slots.starts_at bigint NOT NULL
schedule_slots.run_id bigint NOT NULL
schema_version.version bigint NOT NULL
specs.id bigint NOT NULL
specs.digest bytea NOT NULL
specs.bytes bytea NOT NULL
standing.output_id bigint NOT NULL
standing.success_id bigint NOT NULL
success_inputs.success_id bigint NOT NULL
success_inputs.name text NOT NULL
success_inputs.input_output_id bigint NOT NULL
success_inputs.tree_id bigint NOT NULL
successes.id bigint NOT NULL
successes.output_id bigint NOT NULL
successes.execution_id bigint NOT NULL
successes.alias_of bigint
successes.tree_id bigint NOT NULL
successes.resolved_key bytea NOT NULL
successes.location text NOT NULL
successes.store text NOT NULL
successes.isolation text NOT NULL
successes.state text NOT NULL
successes.stale bigint NOT NULL
successes.settled bigint NOT NULL
successes.host text NOT NULL
successes.boot text NOT NULL
successes.made_at bigint NOT NULL
successes.size_bytes bigint NOT NULL
successes.files bigint NOT NULL
successes.differs_from_id bigint
successes.made_stale bigint NOT NULL
successes.stamps bytea NOT NULL
trees.id bigint NOT NULL
trees.digest bytea NOT NULL
trees.bytes bytea NOT NULL
verifications.id bigint NOT NULL
verifications.success_id bigint NOT NULL
verifications.at bigint NOT NULL
verifications.host text NOT NULL
verifications.same bigint NOT NULL
verifications.digest bytea NOT NULL
CREATE INDEX executions_by_output ON executions USING btree (output_id, id)
CREATE INDEX executions_by_task ON executions USING btree (task, id) WHERE (outcome = 'success'::text)
CREATE UNIQUE INDEX executions_pkey ON executions USING btree (id)
CREATE UNIQUE INDEX executions_run_id_n_key ON executions USING btree (run_id, n)
CREATE UNIQUE INDEX isolation_order_pkey ON isolation_order USING btree (have, want)
CREATE UNIQUE INDEX leases_by_key ON leases USING btree (resolved_key)
CREATE UNIQUE INDEX leases_execution_id_key ON leases USING btree (execution_id)
CREATE UNIQUE INDEX leases_pkey ON leases USING btree (output_id)
CREATE UNIQUE INDEX leases_token_key ON leases USING btree (token)
CREATE UNIQUE INDEX live_pkey ON live USING btree (run_id)
CREATE UNIQUE INDEX outputs_output_key ON outputs USING btree (output)
CREATE UNIQUE INDEX outputs_pkey ON outputs USING btree (id)
CREATE INDEX plan_tasks_by_output ON plan_tasks USING btree (output_id, plan_id)
CREATE UNIQUE INDEX plan_tasks_pkey ON plan_tasks USING btree (plan_id, name)
CREATE UNIQUE INDEX plans_digest_key ON plans USING btree (digest)
CREATE UNIQUE INDEX plans_pkey ON plans USING btree (id)
CREATE INDEX runs_by_pipeline ON runs USING btree (pipeline, id)
CREATE UNIQUE INDEX runs_pkey ON runs USING btree (id)
CREATE UNIQUE INDEX runs_run_key ON runs USING btree (run)
CREATE UNIQUE INDEX schedule_slots_pkey ON schedule_slots USING btree (pipeline, series, starts_at)
CREATE UNIQUE INDEX schedule_slots_run_id_key ON schedule_slots USING btree (run_id)
CREATE UNIQUE INDEX specs_digest_key ON specs USING btree (digest)
CREATE UNIQUE INDEX specs_pkey ON specs USING btree (id)
CREATE UNIQUE INDEX standing_pkey ON standing USING btree (output_id)
CREATE UNIQUE INDEX standing_success_id_key ON standing USING btree (success_id)
CREATE INDEX success_inputs_by_input ON success_inputs USING btree (input_output_id, tree_id, success_id)
CREATE UNIQUE INDEX success_inputs_pkey ON success_inputs USING btree (success_id, name)
CREATE INDEX successes_by_alias ON successes USING btree (alias_of) WHERE (alias_of IS NOT NULL)
CREATE UNIQUE INDEX successes_by_execution ON successes USING btree (execution_id) WHERE (COALESCE(alias_of, (0)::bigint) = 0)
CREATE INDEX successes_by_key ON successes USING btree (resolved_key, id) WHERE (alias_of IS NULL)
CREATE INDEX successes_by_output ON successes USING btree (output_id, id)
CREATE UNIQUE INDEX successes_pkey ON successes USING btree (id)
CREATE INDEX successes_unsettled ON successes USING btree (host, boot, id) WHERE (settled = 0)
CREATE UNIQUE INDEX trees_digest_key ON trees USING btree (digest)
CREATE UNIQUE INDEX trees_pkey ON trees USING btree (id)
CREATE INDEX verifications_by_success ON verifications USING btree (success_id)
CREATE UNIQUE INDEX verifications_pkey ON verifications USING btree (id)
add_success(successes,text[],bigint[],bigint[],boolean) record
alias_kinds(bigint[],text[],bigint[]) record
alias_outputs(bytea[],bigint[],text[],bigint[],text[],bytea[],bytea[],bigint) TABLE(n bigint, id bigint)
answer_claim(bytea,bytea,text,boolean,text,bigint,boolean) TABLE(kind text, id bigint)
changes_standing(bigint) boolean
claim(bytea,bytea,text,bigint,text,bigint,text,text,text,text,boolean,text,bigint,text,bigint) TABLE(kind text, id bigint, token text, started_at bigint, run text, n bigint, task text, host text, pid bigint, since bigint, slot text)
commit_successes(jsonb,bytea[],bytea[]) TABLE(n bigint, lost boolean, id bigint, state text, stale bigint, settled bigint, made_stale bigint, differs bytea)
isolation_suffices(text,text) boolean
lives(bigint) boolean
lock_standing(boolean) void
note_output(bytea) bigint
note_outputs(bytea[]) void
output_ids(bytea[]) bigint[]
tree_ids(bytea[]) bigint[]
