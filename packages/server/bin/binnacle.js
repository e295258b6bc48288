// The command is packages/cli/bin/binnacle.js. Settings of agents that `binnacle mcp --print-config` wrote in a checkout
// before that package was made name this file. The npm package does not have it.
await import('../../cli/bin/binnacle.js');
