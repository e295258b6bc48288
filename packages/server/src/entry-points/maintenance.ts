// Checks and repairs of a data directory, and of the machine's requirements. They run without a gateway.

export { createPrivateFile, prepareDataDir } from '../data-dir/data-dir.ts';
export { socketBase } from '../data-dir/socket-dir.ts';
export { PtyLoader } from '../process/native-pty.ts';
export { cgroupWarning } from '../runner/client/scope.ts';
export { removeIndex } from '../search/index-db.ts';
export { checkHeader, checkPages, explained } from '../store/check.ts';
export { DataDirLock } from '../store/lock.ts';
export { dropOrphans, type SalvagedTable, salvage } from '../store/recovery/salvage.ts';
export { type AdoptionCounts, adoptUnlisted } from '../store/recovery/unlisted.ts';
export { openCatalogueFile } from '../store/schema.ts';
export { type Database, openDatabase } from '../store/sqlite.ts';
export { Catalogue } from '../store/store.ts';
