// The plugins of a gateway, for its administrator: the scope is `admin`. Installs from folders of the gateway's
// machine.

import {
  defined,
  type PluginAuditEntry,
  type PluginGrantValue,
  type PluginInfo,
  type PluginList,
  type PluginLog,
  type PluginPreview,
} from '@binnacle/protocol';
import type { Http } from '../transport/http.ts';

/** Options of `Plugins.logs`. */
export interface PluginLogQuery {
  /** The `next` of the page before. */
  readonly after?: number;
  /** Milliseconds to wait for a line if there is none. */
  readonly waitMs?: number;
  /** Cancels the request, which then throws `unreachable`. */
  readonly signal?: AbortSignal;
}

/** Milliseconds for a start, which takes as long as the plugin takes to load. */
const START_MS = 15_000;
/** Milliseconds for a preview: more than the gateway gives itself, so that its error arrives. */
const PREVIEW_MS = 45_000;

/**
 * Plugins of the gateway, as `Binnacle.plugins`. All methods need the scope `admin`, and those that take an `id` throw
 * `plugin_not_found`.
 *
 * @example
 * ```ts
 * const preview = await binnacle.plugins.preview('/srv/plugins/deploy');
 * console.log(preview.permissions.map(({ sentence }) => `It can ${sentence}`));
 * await binnacle.plugins.install('/srv/plugins/deploy', preview.digest);
 * ```
 */
export class Plugins {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /** Returns all plugins. */
  async list(): Promise<readonly PluginInfo[]> {
    return (await this.#http.json<PluginList>({ path: '/v1/plugins' })).plugins;
  }

  /** Returns one plugin. */
  async get(id: string): Promise<PluginInfo> {
    return await this.#http.json({ path: path(id) });
  }

  /**
   * Returns what would be installed from a folder of the gateway's machine, for the person who has to agree. Throws
   * `bad_manifest`, `unsafe_plugin`, `bad_typescript`, `too_many_installs`.
   */
  async preview(folder: string): Promise<PluginPreview> {
    return await this.#http.json({
      method: 'POST',
      path: '/v1/plugins/preview',
      body: { path: folder },
      waitMs: PREVIEW_MS,
    });
  }

  /**
   * Installs a plugin. `digest` is that of the preview that the person agreed to. `grants` are in force before the
   * plugin is loaded. `inherit` decides whether it gets the grants, settings and values of the plugin with the same id
   * (`inherits` of the preview). Throws `plugin_changed` if the folder changed since the preview, and `other_origin` if
   * `inherit` is missing where it is needed.
   */
  async install(
    folder: string,
    digest: string,
    grants: Readonly<Record<string, PluginGrantValue>> = {},
    inherit?: 'all' | 'nothing',
  ): Promise<PluginInfo> {
    return await this.#http.json({
      method: 'POST',
      path: '/v1/plugins',
      body: { path: folder, digest, grants, ...defined({ inherit }) },
      waitMs: PREVIEW_MS,
    });
  }

  /** Removes a plugin with its log, its stored values and its grants. */
  async remove(id: string): Promise<void> {
    await this.#http.json({ method: 'DELETE', path: path(id) });
  }

  /** Grants a permission, in place of what was granted of it before. Throws `not_grantable`. */
  async grant(id: string, permission: string, value: PluginGrantValue): Promise<PluginInfo> {
    return await this.#http.json({ method: 'PUT', path: grantPath(id, permission), body: { value }, waitMs: START_MS });
  }

  /** Revokes a permission. */
  async revoke(id: string, permission: string): Promise<PluginInfo> {
    return await this.#http.json({ method: 'DELETE', path: grantPath(id, permission), waitMs: START_MS });
  }

  /** Starts or stops a plugin, also after the next start of the gateway. */
  async setEnabled(id: string, enabled: boolean): Promise<PluginInfo> {
    return await this.#http.json({ method: 'PUT', path: `${path(id)}/enabled`, body: { enabled }, waitMs: START_MS });
  }

  /** Ends the plugin's process and starts a new one. */
  async restart(id: string): Promise<PluginInfo> {
    return await this.#http.json({ method: 'POST', path: `${path(id)}/restart`, waitMs: START_MS });
  }

  /** Returns lines of the plugin's log, oldest first. */
  async logs(id: string, { after, waitMs, signal }: PluginLogQuery = {}): Promise<PluginLog> {
    return await this.#http.json({
      path: `${path(id)}/logs`,
      query: { after, wait_ms: waitMs },
      ...defined({ waitMs, signal }),
    });
  }

  /** Returns what was allowed or denied to the plugin, newest first. */
  async audit(id: string, limit?: number): Promise<readonly PluginAuditEntry[]> {
    const { entries } = await this.#http.json<{ entries: PluginAuditEntry[] }>({
      path: `${path(id)}/audit`,
      query: { limit },
    });
    return entries;
  }
}

const path = (id: string): string => `/v1/plugins/${encodeURIComponent(id)}`;
const grantPath = (id: string, permission: string): string =>
  `${path(id)}/permissions/${encodeURIComponent(permission)}`;
