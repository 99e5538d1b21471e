import { badNetworks } from "./bad-network.js";
import type { Fault } from "./fault.js";
import { redisFaults } from "./redis-faults.js";
import { refreshRaces } from "./refresh-races.js";
import { rollingRestarts } from "./rolling-restarts.js";
import { serverKills } from "./server-kills.js";
import { soak } from "./soak.js";

/** All that is done, in the order of the scoreboard. */
export const faults: readonly Fault[] = [serverKills, ...redisFaults, ...badNetworks, rollingRestarts, refreshRaces, soak];
