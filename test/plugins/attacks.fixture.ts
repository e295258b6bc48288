// What a hostile or broken plugin does, as code of a plugin: run as it is by those that stand for the gateway
// (hostile.test.ts) and by a gateway (hostile-gateway.test.ts).

import type { StopCode } from '../../packages/server/src/plugins/host/stop-reason.ts';

/** Speaks for itself on the descriptor, past the runtime. Waits for room as a blocking write would. */
export const RAW = `
import { writeSync } from 'node:fs';
const raw = (bytes) => {
  for (let at = 0; at < bytes.length; ) {
    try { at += writeSync(3, bytes, at); } catch (error) { if (error.code !== 'EAGAIN') throw error; }
  }
};
const head = (length) => { const bytes = Buffer.alloc(4); bytes.writeUInt32BE(length); return bytes; };
const text = (json) => raw(Buffer.concat([head(Buffer.byteLength(json)), Buffer.from(json)]));
const frame = (value) => text(JSON.stringify(value));
const call = (id, params) => frame({ t: 'call', id, method: 'anything', params });
const block = () => { for (;;); };
`;

export interface Attack {
  readonly what: string;
  readonly attack: string;
  readonly ends: readonly StopCode[];
}

export const BY_RPC: readonly Attack[] = [
  { what: 'announces 4 GiB', attack: 'raw(head(0xffffffff)); raw(Buffer.alloc(1000));', ends: ['protocol'] },
  { what: 'announces one byte too many', attack: 'raw(head(1024 * 1024 + 1));', ends: ['protocol'] },
  { what: 'sends an empty frame', attack: 'raw(head(0));', ends: ['protocol'] },
  { what: 'never ends a frame', attack: 'raw(head(1024 * 1024)); raw(Buffer.from("{"));', ends: ['silent'] },
  {
    what: 'drips a frame byte by byte',
    attack: 'raw(head(1024 * 1024)); setInterval(() => raw(Buffer.from(" ")), 1);',
    ends: ['silent'],
  },
  { what: 'makes a million calls', attack: 'for (let id = 1; id <= 1e6; id++) call(id, "x");', ends: ['protocol'] },
  {
    what: 'makes calls of 60 MiB together',
    attack:
      'const big = "x".repeat(1e6); for (let id = 1; id <= 60; id++) frame({ t: "call", id, method: "never", params: big });',
    ends: ['protocol'],
  },
  {
    what: 'asks for much and reads nothing',
    attack: 'for (let id = 1; id <= 60; id++) frame({ t: "call", id, method: "big" }); block();',
    ends: ['silent', 'unread'],
  },
  { what: 'sends no JSON', attack: 'text("{nonsense");', ends: ['protocol'] },
  { what: 'sends what is no UTF-8', attack: 'raw(head(3)); raw(Buffer.from([0xff, 0xfe, 0x80]));', ends: ['protocol'] },
  { what: 'sends an unknown frame', attack: 'frame({ t: "novel" });', ends: ['protocol'] },
  {
    what: 'sends a field too many',
    attack: 'frame({ t: "call", id: 1, method: "x", grant: true });',
    ends: ['protocol'],
  },
  {
    what: 'nests 100 000 deep',
    attack: 'text(\'{"t":"call","id":1,"method":"x","params":\' + "[".repeat(1e5) + "]".repeat(1e5) + "}");',
    ends: ['protocol'],
  },
  {
    what: 'sends __proto__',
    attack: 'text(\'{"t":"call","id":1,"method":"x","params":{"a":{"__proto__":{"polluted":1}}}}\');',
    ends: ['protocol'],
  },
  {
    what: 'sends __proto__ in disguise',
    attack: 'text(\'{"t":"call","id":1,"method":"x","params":[{"\\\\u005f_proto__":{"polluted":1}}]}\');',
    ends: ['protocol'],
  },
  {
    what: 'sends constructor.prototype',
    attack: 'text(\'{"t":"call","id":1,"method":"x","params":{"constructor":{"prototype":{"polluted":1}}}}\');',
    ends: ['protocol'],
  },
  { what: 'uses the id of a call again', attack: 'call(1); call(1);', ends: ['protocol'] },
  { what: 'goes back in its ids', attack: 'call(1); call(2); call(1);', ends: ['protocol'] },
  {
    what: 'jumps ahead in its ids, so that we would owe it a pause of days, and loops',
    attack: 'call(1000000000); for (;;);',
    ends: ['protocol'],
  },
  ...['0', '-1', '1.5', '9007199254740993', '1e999', '"1"', 'null'].map((id) => ({
    what: `uses ${id} as an id`,
    attack: `text('{"t":"call","id":${id},"method":"x"}');`,
    ends: ['protocol'] as const,
  })),
  {
    what: 'answers a call that nobody made',
    attack: 'frame({ t: "answer", id: 999, result: 1 });',
    ends: ['protocol'],
  },
  {
    what: 'answers a call twice',
    attack: 'frame({ t: "answer", id: 1, result: 1 }); frame({ t: "answer", id: 1, result: 2 });',
    ends: ['protocol'],
  },
  { what: 'answers a ping that was not sent', attack: 'frame({ t: "pong", n: 4000 });', ends: ['protocol'] },
  { what: 'is ready twice', attack: 'frame({ t: "ready", methods: [] });', ends: ['protocol'] },
  { what: 'greets twice', attack: 'frame({ t: "hello", protocol: 1 });', ends: ['protocol'] },
];

export const BY_PROCESS: readonly Attack[] = [
  { what: 'loops for ever', attack: 'block();', ends: ['silent'] },
  { what: 'loops for ever in promises', attack: 'for (;;) await null;', ends: ['silent'] },
  {
    what: 'fills 2 GiB of Buffers',
    attack: 'globalThis.all = []; for (let i = 0; i < 32; i++) all.push(Buffer.alloc(64 * 1024 * 1024, 1)); block();',
    ends: ['memory', 'exited', 'silent'],
  },
  {
    what: 'fills 2 GiB of Buffers politely',
    attack:
      'globalThis.all = []; for (let i = 0; i < 256; i++) { all.push(Buffer.alloc(8 * 1024 * 1024, 1)); await new Promise((go) => setTimeout(go, 10)); }',
    ends: ['memory', 'exited'],
  },
  {
    what: 'fills its heap',
    attack: 'const all = []; for (;;) all.push({ all: [1, 2, 3] });',
    ends: ['silent', 'memory', 'exited'],
  },
  { what: 'recurses for ever', attack: 'const f = () => f() + 1; setTimeout(f); ', ends: ['exited'] },
  { what: 'exits in the middle of a call', attack: 'process.exit(0);', ends: ['exited'] },
  { what: 'aborts', attack: 'process.abort();', ends: ['exited'] },
  { what: 'throws later', attack: 'setTimeout(() => { throw new Error("later"); });', ends: ['exited'] },
  { what: 'rejects later, unhandled', attack: 'void Promise.reject(new Error("later"));', ends: ['exited'] },
  { what: 'closes the descriptor', attack: '(await import("node:fs")).closeSync(3);', ends: ['exited', 'silent'] },
];
