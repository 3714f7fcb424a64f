// A schedule in systemd's and in cron's terms.
import assert from "node:assert/strict";
import { test } from "node:test";
import { calendarsOf, crontabLine, systemdUnits, type TimerCall } from "../../src/cli/timer-units.ts";

const call: TimerCall = {
  cwd: "/data/my shop",
  words: ["/usr/bin/node", "/opt/alamode/main.js", "schedule", "-p", "share=5%", "--once"],
  environment: [["ALAMODE_STORE", "/big disk/store"]],
  name: "pipelines/shop.ts",
};

test("cron texts are OnCalendar texts", () => {
  const cases: [string, string[]][] = [
    ["@hourly", ["*-*-* *:0:0"]],
    ["@daily", ["*-*-* 0:0:0"]],
    ["@weekly", ["Sun *-*-* 0:0:0"]],
    ["@monthly", ["*-*-1 0:0:0"]],
    ["@yearly", ["*-1-1 0:0:0"]],
    ["30 6 * * 1-5", ["Mon,Tue,Wed,Thu,Fri *-*-* 6:30:0"]],
    ["*/15 8-18 * * *", ["*-*-* 8..18:0/15:0"]],
    ["0 4 */2 jan,JUL *", ["*-1,7-1/2 4:0:0"]],
    ["0 0 1,15 * sat", ["*-*-1,15 0:0:0", "Sat *-*-* 0:0:0"]],
    ["0 0 * * 5-7", ["Sun,Fri,Sat *-*-* 0:0:0"]],
    ["*/10 * * * * *", ["*-*-* *:*:0/10"]],
  ];
  for (const [cron, calendars] of cases) assert.deepEqual(calendarsOf(cron), calendars, cron);
  for (const cron of ["0 0 L * *", "0 0 * * 5#2", "0 0 15W * *"]) {
    assert.throws(() => calendarsOf(cron), { code: "bad-schedule" }, cron);
    assert.throws(() => crontabLine(cron, "UTC", call, "UTC"), { code: "bad-schedule" }, cron);
  }
  for (const cron of ["0 0 1,15 * MON-FRI", "*/15 8-18/2 * jan *"])
    assert.match(crontabLine(cron, "UTC", call, "UTC"), /schedule/);
});

test("the crontab line goes where the pipeline is, and % is escaped", () => {
  assert.equal(
    crontabLine("@daily", "UTC", call, "UTC"),
    `# pipelines/shop.ts: add this by  crontab -e
0 0 * * * cd '/data/my shop' && ALAMODE_STORE='/big disk/store' /usr/bin/node /opt/alamode/main.js schedule -p share=5\\% --once
`,
  );
  const foreign = crontabLine("30 6 * * 1-5", "Europe/Berlin", call, "UTC");
  assert.match(foreign, /^# Europe\/Berlin is not this machine's time zone \(UTC\)/m);
  assert.match(foreign, /^CRON_TZ=Europe\/Berlin\n30 6 \* \* 1-5 cd /m);
  assert.throws(() => crontabLine("*/10 * * * * *", "UTC", call, "UTC"), { code: "bad-schedule" });
});

test("the unit and its timer say what to do, where and when", () => {
  const text = systemdUnits("0 0 1,15 * sat", "Europe/Berlin", call);
  for (const line of [
    "# ~/.config/systemd/user/alamode-pipelines-shop.ts.service",
    "WorkingDirectory=/data/my shop",
    'Environment="ALAMODE_STORE=/big disk/store"',
    "ExecStart=/usr/bin/node /opt/alamode/main.js schedule -p share=5%% --once",
    "OnCalendar=*-*-1,15 0:0:0 Europe/Berlin",
    "OnCalendar=Sat *-*-* 0:0:0 Europe/Berlin",
    "Persistent=true",
  ])
    assert.ok(text.split("\n").includes(line), line);
});
