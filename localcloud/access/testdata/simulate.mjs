// Answers simulations, one JSON document per line, with the results of the npm package @cloud-copilot/iam-simulate,
// which is a tool for checks beside the project and no part of it.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
const { runSimulation } = createRequire(process.argv[2] + "/")("@cloud-copilot/iam-simulate");

for await (const line of createInterface({ input: process.stdin })) {
  const r = await runSimulation(JSON.parse(line), {});
  console.log(r.resultType === "error" ? "error " + JSON.stringify(r.errors) : r.overallResult);
}
