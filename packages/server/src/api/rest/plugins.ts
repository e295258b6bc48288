// Routes for managing plugins: list, install, grant and revoke. api/plugin-pages/plugin-pages.ts serves the plugins'
// own pages.

import type { Plugins } from '../../plugins/plugins.ts';
import { type HttpRoute, json, noContent, route, z } from '../http/routes.ts';
import { numberIn, text, WaitMs } from '../schemas/fields.ts';

const MAX_AUDIT = 1000;

const Id = z.object({ id: text(64) });
const Grant = z.object({ id: text(64), permission: text(64) });
const Path = text(4096).min(1).describe('A folder on the machine of the gateway.');
/** The table of permissions validates the items. */
const Value = z.union([z.boolean(), z.record(z.string(), z.array(z.string().max(512)).max(200))]);

const Info = z.looseObject({ id: z.string(), state: z.string() }).openapi('PluginInfo');
const Preview = z.looseObject({ id: z.string(), digest: z.string() }).openapi('PluginPreview');
const List = z.object({ plugins: z.array(Info) });
const Log = z.looseObject({ lines: z.array(z.looseObject({ n: z.number(), text: z.string() })), next: z.number() });
const Audit = z.object({ entries: z.array(z.looseObject({ plugin: z.string(), what: z.string() })) });

const infoAnswer = (description: string) => ({ 200: { description, schema: Info } });

export const pluginRoutes = (plugins: Plugins): HttpRoute[] => [
  ...installRoutes(plugins),
  ...grantRoutes(plugins),
  ...processRoutes(plugins),
];

function installRoutes(plugins: Plugins): HttpRoute[] {
  return [
    route('get', '/v1/plugins', 'admin', {
      summary: 'List installed plugins with level, state, offers, requested and granted permissions.',
      responses: { 200: { description: 'The plugins, sorted by id.', schema: List } },
      handler: () => json({ plugins: plugins.list() }),
    }),
    route('get', '/v1/plugins/:id', 'admin', {
      summary: 'Show one plugin.',
      params: Id,
      responses: infoAnswer('The plugin after the change.'),
      handler: ({ params }) => json(plugins.info(params.id)),
    }),
    route('post', '/v1/plugins/preview', 'admin', {
      summary: 'Show the plugin in a folder and the permissions it requests. Runs none of its code.',
      body: z.strictObject({ path: Path }),
      responses: { 200: { description: 'The preview that a person approves.', schema: Preview } },
      handler: async ({ body, principal, signal }) =>
        json(await plugins.preview(body.path, { by: principal.name, signal })),
    }),
    route('post', '/v1/plugins', 'admin', {
      summary: 'Install the plugin of a preview, and start it. Grants only the named permissions.',
      description:
        'Where another one of its id came from another folder, "inherit" says whether it gets its permissions, settings and stored values; else it is refused (other_origin).',
      body: z.strictObject({
        path: Path,
        digest: text(128),
        grants: z.record(text(64), Value).optional(),
        inherit: z.enum(['all', 'nothing']).optional(),
      }),
      responses: { 201: { description: 'The installed plugin. Its state says whether it runs.', schema: Info } },
      handler: async ({ body, principal, signal }) =>
        json(await plugins.install(body.path, body.digest, { by: principal.name, signal }, body.grants, body.inherit), {
          status: 201,
        }),
    }),
    route('delete', '/v1/plugins/:id', 'admin', {
      summary: 'Remove a plugin with its log, its stored values, and its entry in the config file.',
      params: Id,
      responses: { 204: { description: 'The plugin is removed.' } },
      handler: async ({ params, principal }) => {
        await plugins.remove(params.id, principal.name);
        return noContent();
      },
    }),
  ];
}

function grantRoutes(plugins: Plugins): HttpRoute[] {
  return [
    route('put', '/v1/plugins/:id/permissions/:permission', 'admin', {
      summary: 'Grant a permission. Writes its key of the config file, and takes effect at once.',
      params: Grant,
      body: z.strictObject({ value: Value }),
      responses: infoAnswer('The plugin with the grant.'),
      handler: async ({ params, body, principal }) =>
        json(await plugins.grant(params.id, params.permission, body.value, principal.name)),
    }),
    route('delete', '/v1/plugins/:id/permissions/:permission', 'admin', {
      summary: 'Revoke a permission.',
      params: Grant,
      responses: infoAnswer('The plugin without the grant.'),
      handler: async ({ params, principal }) =>
        json(await plugins.grant(params.id, params.permission, false, principal.name)),
    }),
  ];
}

/** Routes of the plugin's process, and of what it did. */
function processRoutes(plugins: Plugins): HttpRoute[] {
  return [
    route('put', '/v1/plugins/:id/enabled', 'admin', {
      summary: 'Enable or disable a plugin.',
      params: Id,
      body: z.strictObject({ enabled: z.boolean() }),
      responses: infoAnswer('The plugin after the change.'),
      handler: async ({ params, body, principal }) =>
        json(await plugins.setEnabled(params.id, body.enabled, principal.name)),
    }),
    route('post', '/v1/plugins/:id/restart', 'admin', {
      summary: 'Restart the process of a plugin, even if the plugin is disabled.',
      params: Id,
      responses: infoAnswer('The plugin, once it is ready or has failed to start.'),
      handler: async ({ params, principal }) => json(await plugins.restart(params.id, principal.name)),
    }),
    route('get', '/v1/plugins/:id/logs', 'admin', {
      summary: 'List the output of a plugin, and the gateway’s entries about it.',
      params: Id,
      query: z.strictObject({ after: numberIn(0, Number.MAX_SAFE_INTEGER).optional(), wait_ms: WaitMs.optional() }),
      responses: { 200: { description: 'Oldest first. Continue with after=next.', schema: Log } },
      handler: async ({ params, query, signal }) => {
        const log = plugins.logOf(params.id);
        const { after, wait_ms: waitMs = 0 } = query;
        const page = log.read(after);
        if (page.lines.length > 0 || waitMs === 0) return json(page);
        await log.next(waitMs, signal);
        return json(log.read(after ?? page.next));
      },
    }),
    route('get', '/v1/plugins/:id/audit', 'admin', {
      summary: 'List allowed and denied calls of a plugin, and changes that people made to it.',
      params: Id,
      query: z.strictObject({ limit: numberIn(1, MAX_AUDIT).default(100) }),
      responses: { 200: { description: 'Newest first. Entries of removed plugins are included.', schema: Audit } },
      handler: ({ params, query }) => json({ entries: plugins.auditOf(params.id, query.limit) }),
    }),
  ];
}
