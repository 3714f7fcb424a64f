// What a pipeline author imports. Describing loads nothing of the engine: a pipeline file must be cheap to read.
export type { Bmap, Bnormal, BnormalMap, Bvalue } from "./bencode/types.ts";
export type { RunEvent, TaskFailure } from "./engine/events.ts";
export type { RecordedTask } from "./engine/recorded.ts";
export type { FailedTask } from "./engine/run.ts";
export { AlamodeError, type Facts } from "./errors.ts";
export {
  type OpenOptions,
  open,
  type Project,
  type RecordedRequest,
  type RunRequest,
  type RunSummary,
  run,
} from "./library.ts";
export { type BashSpec, type BashValue, bash } from "./plan/bash.ts";
export { Dag } from "./plan/dag.ts";
export { diff, type PlanDiff, type ValueChange } from "./plan/diff.ts";
export type { EnvironmentSpec } from "./plan/environment-task.ts";
export { type Json, json } from "./plan/json.ts";
export { loadPlan } from "./plan/load.ts";
export { type ModuleOptions, type ModuleSpec, module } from "./plan/module.ts";
export { type NodeEnvOptions, nodeEnv } from "./plan/node-env.ts";
export {
  day,
  decimal,
  flag,
  integer,
  list,
  oneOf,
  type Param,
  type Params,
  text,
  time,
  type ValuesOf,
} from "./plan/params.ts";
export { type ParamPipeline, pipeline } from "./plan/pipeline.ts";
export { pp } from "./plan/pp.ts";
export { type PythonEnvOptions, pythonEnv } from "./plan/python-env.ts";
export type { S3Options } from "./plan/s3-client.ts";
export { type SourceOptions, type SourceSpec, source, type UrlSource } from "./plan/source-task.ts";
export { type FilesOptions, files } from "./plan/sources.ts";
export { chain, Task } from "./plan/task.ts";
export type { ArgsOf, TaskCall, TaskFunction } from "./plan/task-function.ts";
export { type ToolVersion, tool } from "./plan/tool.ts";
export type { Options, OptionsByPattern, OutputId, Plan, PlanTask, Spec } from "./plan/types.ts";
export type { Settings } from "./project.ts";
export type { Execution, Failure, FailureKind, Run, RunCounts, RunId, Success } from "./record/types.ts";
export type { Location, TreeDigest } from "./store/types.ts";
