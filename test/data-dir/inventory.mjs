// Reads over HTTP all that a gateway has in its data directory, as one JSON value that can be compared.

import { createHash } from 'node:crypto';

const sha = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Returns sessions, runs, conversations, traffic, search hits, shares, tokens, and the rest, by their ids. */
export async function inventoryOf({ url, token }) {
  const read = async (path) => {
    const response = await fetch(url + path, { headers: { authorization: `Bearer ${token}` } });
    // A screen that the machine was too busy to draw, an index that is being opened.
    if (response.status === 503) return await read(path);
    const bytes = Buffer.from(await response.arrayBuffer());
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${bytes}`);
    return bytes;
  };
  const json = async (path) => JSON.parse((await read(path)).toString());

  const sessions = {};
  for (const { id } of (await json('/v1/sessions?limit=1000')).sessions) {
    const of = `/v1/sessions/${id}`;
    const info = await json(of);
    const isPty = info.mode === 'pty';
    const [output, entries, cast, screen, runs] = await Promise.all([
      read(`${of}/output`),
      read(`${of}/export?format=jsonl&encoding=base64&input=1`),
      read(`${of}/export?input=1`),
      isPty ? json(`${of}/screen`) : null,
      info.runs === null ? null : json(`${of}/runs`),
    ]);
    sessions[id] = {
      ...picked(info, ['name', 'state', 'mode', 'argv', 'cwd', 'cols', 'rows', 'exitCode', 'signal', 'outputOffset']),
      ...picked(info, ['oldestOffset', 'epoch', 'createdAt', 'exitedAt', 'labels', 'foreign']),
      ...{ output: sha(output), entries: sha(entries), cast: sha(cast) },
      screen: screen === null ? null : screen.lines.join('\n').trimEnd(),
      runs: runs === null ? null : runs.runs,
    };
  }
  const conversations = {};
  for (const { key } of (await json('/v1/conversations?limit=200')).conversations) {
    const of = `/v1/conversations/${encodeURIComponent(key)}`;
    conversations[key] = {
      ...picked(await json(of), ['agent', 'owner', 'visibility', 'title', 'createdAt', 'epoch', 'usage']),
      messages: (await json(`${of}/messages?limit=200`)).messages,
      events: eventsOf(await read(`${of}/events?follow=0&deltaIntervalMs=0`)),
    };
  }
  const hits = {};
  for (const word of ['Ahoy', 'keel', '1999', 'second', 'done', 'nosuchword']) {
    const found = (await json(`/v1/search?q=${word}`)).hits;
    hits[word] = found.map(({ session, offset, snippet }) => ({ session, offset, snippet }));
  }
  return {
    ...{ sessions, conversations, hits },
    traffic: (await json('/v1/pty-traffic?limit=100')).events,
    shares: (await json('/v1/shares?over=1')).shares.map(({ viewers: _, ...share }) => share),
    tokens: (await json('/v1/tokens')).tokens.map(({ lastUsed: _, ...one }) => one),
    push: picked(await json('/v1/push'), ['publicKey', 'browsers', 'done']),
    mutes: await json('/v1/mutes'),
    agents: (await json('/v1/agents')).agents,
    plugins: (await json('/v1/plugins')).plugins.map(({ id, version, permissions }) => ({
      ...{ id, version },
      granted: permissions.filter(({ granted }) => granted).map(({ permission }) => permission),
    })),
    kept: await json('/plugins/keeper/kept'),
  };
}

const picked = (value, names) => Object.fromEntries(names.map((name) => [name, value[name]]));

/** Events of a stream, one after the other; deltas that follow one another as one, because they come in pieces of chance. */
function eventsOf(bytes) {
  const all = [...bytes.toString().matchAll(/^event: events\n(?:id: .*\n)?data: (.*)$/gm)].flatMap(
    ([, data]) => JSON.parse(data).events,
  );
  const joined = [];
  for (const event of all) {
    const last = joined.at(-1);
    if (last?.type === 'delta' && event.type === 'delta' && last.run === event.run && last.stream === event.stream) {
      last.text += event.text;
    } else joined.push({ ...event });
  }
  return joined;
}
