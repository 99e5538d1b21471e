import { badNetworks } from "./bad-network.js";
import { clockJumps } from "./clock-jumps.js";
import type { Fault } from "./fault.js";
import { fewDescriptors } from "./few-descriptors.js";
import { diskFaults } from "./full-disk.js";
import { redisFaults } from "./redis-faults.js";
import { redisKills } from "./redis-kills.js";
import { refreshRaces } from "./refresh-races.js";
import { removedRights } from "./removed-rights.js";
import { rollingRestarts } from "./rolling-restarts.js";
import { serverKills } from "./server-kills.js";
import { soak } from "./soak.js";

/** All that is done, in the order of the scoreboard. */
export const faults: readonly Fault[] = [
  serverKills,
  ...redisFaults,
  redisKills,
  ...removedRights,
  ...badNetworks,
  clockJumps,
  ...diskFaults,
  fewDescriptors,
  rollingRestarts,
  ...refreshRaces,
  soak,
];
