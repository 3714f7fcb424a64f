// Servers of stores that do not answer: who is told, when, and how often.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type AwayNews, onStoreAway, Reach } from "../../src/store/away.ts";

test("a server that does not answer for two seconds is told of once, and once when it is back; only to the last who listens", () => {
  const outer: AwayNews[] = [];
  const heard: AwayNews[] = [];
  using _outer = onStoreAway((news) => outer.push(news));
  const reach = new Reach("s3://team/");
  const now = performance.now();
  {
    using _inner = onStoreAway((news) => heard.push(news));
    reach.failed(now - 1_000, "reset");
    reach.answered();
    assert.deepEqual(heard, [], "what works the second time");
    reach.failed(now - 3_000, "503");
    assert.deepEqual(heard, [], "others were answered since");
    const later = performance.now() + 1;
    const clock = performance.now;
    try {
      performance.now = () => later + 2_001;
      for (const why of ["reset", "refused"]) reach.failed(later, why);
    } finally {
      performance.now = clock;
    }
    for (let n = 0; n < 2; n++) reach.answered();
  }
  const url = "s3://team/";
  assert.deepEqual(heard, [
    { url, why: "reset" },
    { url, why: undefined },
  ]);
  reach.failed(Number.NEGATIVE_INFINITY, "refused");
  new Reach("postgres://db").failed(now - 3_000, "refused");
  assert.deepEqual(outer, [{ url: "postgres://db", why: "refused" }]);
});
