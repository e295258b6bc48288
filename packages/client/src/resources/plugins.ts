// The plugins of a gateway, for who looks after them: the scope is `admin`. Installs from folders of the gateway's machine.

import type {
  PluginAuditEntry,
  PluginGrantValue,
  PluginInfo,
  PluginList,
  PluginLog,
  PluginPreview,
} from '@binnacle/protocol';
import type { Http } from '../transport/http.ts';

export interface PluginLogQuery {
  /** The `next` of the page before. */
  readonly after?: number;
  /** How long to wait for a line when there is none. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}

/** To have a plugin started takes as long as it takes to load. */
const START_MS = 15_000;
/** To have a folder looked at: longer than the gateway gives itself, so that it can tell what is wrong. */
const LOOK_MS = 45_000;

export class Plugins {
  private readonly http: Http;

  constructor(http: Http) {
    this.http = http;
  }

  async list(): Promise<readonly PluginInfo[]> {
    return (await this.http.json<PluginList>({ path: '/v1/plugins' })).plugins;
  }

  /** Throws `plugin_not_found`. */
  async get(id: string): Promise<PluginInfo> {
    return await this.http.json({ path: path(id) });
  }

  /** What would be installed, for the person who has to agree. Throws `bad_manifest`, `unsafe_plugin`, `bad_typescript`, `too_many_installs`. */
  async preview(folder: string): Promise<PluginPreview> {
    return await this.http.json({
      method: 'POST',
      path: '/v1/plugins/preview',
      body: { path: folder },
      waitMs: LOOK_MS,
    });
  }

  /**
   * `digest`: of the preview that was agreed to. `grants`: in force before it is loaded. Throws `plugin_changed` where the
   * folder is another one since, and `other_origin` where it came from another folder and nobody said whether it inherits
   * (`inherits` of the preview).
   */
  async install(
    folder: string,
    digest: string,
    grants: Readonly<Record<string, PluginGrantValue>> = {},
    inherit?: 'all' | 'nothing',
  ): Promise<PluginInfo> {
    return await this.http.json({
      method: 'POST',
      path: '/v1/plugins',
      body: { path: folder, digest, grants, ...(inherit === undefined ? {} : { inherit }) },
      waitMs: LOOK_MS,
    });
  }

  /** With its log, what it kept, and what it was granted. */
  async remove(id: string): Promise<void> {
    await this.http.json({ method: 'DELETE', path: path(id) });
  }

  /** Takes the place of what was granted of it before. */
  async grant(id: string, permission: string, value: PluginGrantValue): Promise<PluginInfo> {
    return await this.http.json({ method: 'PUT', path: grantPath(id, permission), body: { value }, waitMs: START_MS });
  }

  async revoke(id: string, permission: string): Promise<PluginInfo> {
    return await this.http.json({ method: 'DELETE', path: grantPath(id, permission), waitMs: START_MS });
  }

  async setEnabled(id: string, enabled: boolean): Promise<PluginInfo> {
    return await this.http.json({ method: 'PUT', path: `${path(id)}/enabled`, body: { enabled }, waitMs: START_MS });
  }

  async restart(id: string): Promise<PluginInfo> {
    return await this.http.json({ method: 'POST', path: `${path(id)}/restart`, waitMs: START_MS });
  }

  async logs(id: string, { after, waitMs, signal }: PluginLogQuery = {}): Promise<PluginLog> {
    return await this.http.json({
      path: `${path(id)}/logs`,
      query: { after, wait_ms: waitMs },
      ...(waitMs === undefined ? {} : { waitMs }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** Newest first. */
  async audit(id: string, limit?: number): Promise<readonly PluginAuditEntry[]> {
    const { entries } = await this.http.json<{ entries: PluginAuditEntry[] }>({
      path: `${path(id)}/audit`,
      query: { limit },
    });
    return entries;
  }
}

const path = (id: string): string => `/v1/plugins/${encodeURIComponent(id)}`;
const grantPath = (id: string, permission: string): string =>
  `${path(id)}/permissions/${encodeURIComponent(permission)}`;
