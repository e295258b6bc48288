// The parts that find the gateway of a data directory: the directory, its token, its identity, and the gateway's
// address.

export { readAdminToken } from '../data-dir/admin-token.ts';
export { defaultDataDir } from '../data-dir/data-dir.ts';
export { type GatewayFile, readGatewayFile, whoAnswers } from '../data-dir/gateway-file.ts';
export { identityOf } from '../runner/directory-identity.ts';
