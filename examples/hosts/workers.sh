#!/bin/sh
# Performs a plan on several hosts at once, with nothing but a shell and `alamode exec`:
#
#   export ALAMODE_RECORD=postgres://db/team ALAMODE_STORE=/shared/store
#   HOSTS='node1 node2 node3' sh workers.sh pipeline.dag
#
# Every host sees the same record, store and plan file. A task is handed out once all that it needs is done; each host has
# one at a time. Begun again, it goes on where it was: what is done costs a look.
#
#   HOSTS    names of the hosts
#   ON       how a command is run there: it is called as  ON HOST COMMAND…  (ssh unless given)
#   ALAMODE  the program's name there
set -eu
plan=$1
: "${HOSTS:?}" "${ON:=ssh}" "${ALAMODE:=alamode}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A line a task, `<layer> <task>`: its layer is the one below the lowest of those that it depends on.
$ALAMODE plan -f "$plan" --json | node -e '
  const { tasks } = JSON.parse(require("fs").readFileSync(0, "utf8"));
  const byOutput = new Map(Object.values(tasks).map((task) => [task.output, task]));
  const known = new Map();
  const layer = (task) => {
    if (task === undefined) return -1;
    if (!known.has(task)) known.set(task, 1 + Math.max(-1, ...Object.values(task.inputs).map((id) => layer(byOutput.get(id)))));
    return known.get(task);
  };
  for (const [name, task] of Object.entries(tasks)) console.log(String(layer(task)).padStart(4, "0"), name);
' | sort > "$work/order"

# Prints the first task of a list, and takes it off. A folder can be made only once, so one at a time does this.
take() {
  until mkdir "$work/lock" 2> /dev/null; do sleep 0.05; done
  head -n 1 "$1"
  tail -n +2 "$1" > "$work/rest"
  mv "$work/rest" "$1"
  rmdir "$work/lock"
}

# Takes tasks from the list for as long as the host is there. What a host could not be asked is left for the others.
worker() {
  while task=$(take "$work/todo") && [ -n "$task" ]; do
    code=0
    $ON "$1" $ALAMODE exec -f "$plan" "$task" < /dev/null || code=$?
    case $code in
      0) ;;
      1 | 2 | 70 | 130) echo "$task" >> "$work/failed" ;; # alamode said why
      *) echo "$task" >> "$work/left"; return ;;
    esac
  done
}

for layer in $(cut -d ' ' -f 1 "$work/order" | uniq); do
  sed -n "s/^$layer //p" "$work/order" > "$work/todo"
  while [ -s "$work/todo" ]; do
    tasks=$(wc -l < "$work/todo")
    for host in $HOSTS; do worker "$host" & done
    wait
    if [ -e "$work/failed" ]; then echo "failed: $(tr '\n' ' ' < "$work/failed")" >&2; exit 1; fi
    if [ -e "$work/left" ]; then mv "$work/left" "$work/todo"; fi
    if [ "$(wc -l < "$work/todo")" -ge "$tasks" ]; then echo "no host is there" >&2; exit 1; fi
  done
done
