import { bash, Dag, day, files, pipeline, source, text } from "a-la-mode";

export default pipeline({ date: day(), from: text("landing") }, async ({ date, from }) => {
  const dag = new Dag({ name: "shop", schedule: "@daily" });

  const orders = dag.task("orders", await source(`${from}/orders/${date}.csv`));

  const rates = dag.task(
    "rates",
    { ...bash`python3 rates.py ${date} > $OUTPUT`, files: files("rates.py"), network: 1 },
    { secrets: { RATES_KEY: { env: "RATES_KEY" } }, pool: "rates", retries: 3, backoff: "5s", timeout: "2m" },
  );

  dag.task(
    "revenue",
    {
      ...bash`python3 revenue.py ${date} ${orders} ${rates}`,
      files: files("revenue.py"),
      produces: `${date}.csv`,
    },
    { publish: `results/revenue/${date}.csv` },
  );
  return dag;
});
