/** A bar chart of the cost of a call, readable on light and dark pages. */
import { peers } from "./peers.mjs";
import { median } from "./statistics.mjs";

const width = 720;
const left = 170;
const right = 70;
const lineHeight = 30;
const top = 44;

/** `costs`: peer → microseconds of each round. */
export function chartOf(costs) {
  const bars = Object.entries(costs)
    .map(([name, values]) => ({ name, cost: median(values) }))
    .sort((a, b) => a.cost - b.cost);
  const most = Math.max(...bars.map(({ cost }) => cost));
  const height = top + bars.length * lineHeight + 12;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title">
<title id="title">CPU time of the server for one call</title>
<style>
text { font: 14px system-ui, sans-serif; fill: #24292f; }
.small { font-size: 12px; }
rect { fill: #8c959f; }
.own { fill: #0969da; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } rect { fill: #6e7681; } .own { fill: #4493f8; } }
</style>
<text x="12" y="18">CPU time of the server for one call, microseconds</text>
<text x="12" y="34" class="small">16 connections, 8 calls in flight on each. jotwire checks the session, scope and revocation; the others check nothing.</text>
${bars.map((bar, index) => barOf(bar, most, top + index * lineHeight)).join("\n")}
</svg>
`;
}

function barOf({ name, cost }, most, y) {
  const length = Math.round((cost / most) * (width - left - right));
  const own = name === "jotwire" ? ' class="own"' : "";
  return `<text x="${left - 10}" y="${y + 20}" text-anchor="end">${peers[name].label}</text>
<rect${own} x="${left}" y="${y + 5}" width="${length}" height="${lineHeight - 10}" rx="3"/>
<text x="${left + length + 8}" y="${y + 20}">${cost.toFixed(1)}</text>`;
}
