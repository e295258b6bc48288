// Names, permissions and grants of plugins, as manifests and the config file spell them.

export { isPluginId } from '../config/plugin-id.ts';
export { DENIED, type Grant, readGrant, spellGrant, together, wider } from '../plugins/grant/grants.ts';
export {
  isPermission,
  PERMISSION_NAMES,
  PERMISSIONS,
  type PermissionName,
  permission,
} from '../plugins/grant/permissions.ts';
export { MANIFEST_FILE } from '../plugins/install/manifest.ts';
