// The config file as the gateway reads it, and the drivers of the agents that it names.

export { loadConfig } from '../config/config.ts';
export type { AlsoWrong, ConfigFault, ConfigProblem } from '../config/parse.ts';
export type { AgentConfig } from '../config/schema.ts';
export { driverOf } from '../conversations/agents/drivers.ts';
export { checkProgramCwd, findExecutable } from '../process/launcher.ts';
