// Makes of what a gateway says what it says every time: ids, times, secrets and ports become names. Knows no socket.

/** Numbers that are another one in each run, by the name of their field. */
const VOLATILE = new Set([
  'pid',
  'ppid',
  'parent',
  'syncedOffset',
  'durationMs',
  'execution_time',
  'stepMs',
  'behindBytes',
  'silentMs',
  'cpu_count',
  'cpu_used_pct',
  'mem_total_mib',
  'mem_used_mib',
  'retryAfterMs',
  'clientTime',
  'memoryBytes',
]);
/** Text that is made at random, by the name of its field, where its shape alone does not tell. */
const RANDOM = new Set([
  'lease',
  'digest',
  'epoch',
  'ticket',
  'pass',
  'client_id',
  'connection',
  'connection_id',
  'publickey',
  'you',
  'next',
  'before',
  'access_token',
  'refresh_token',
]);
const SECRET = /\bb[a-z]_[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/g;
const UUID = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g;
const OWN_USER = /\btoken-[0-9a-f]{8}-[0-9a-f]{8}\b/g;
const POSITION = /\b([0-9a-z]{10,16})\.[0-9a-z]{1,9}\.([0-9a-z]{1,9})\b/g;
/** Id of a run that an OpenSandbox client started: the session's id, then the run's own. */
const RUN_ID = /\b([0-9a-f]{8}-[0-9a-f-]{27})\.([A-Za-z0-9_-]{16})(?![A-Za-z0-9_-])/g;
/** Id of an emitted event. */
const EVENT_ID = /^2[0-9a-z]{10}$/;
const ISO_TIME = /\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g;

/** Ms since 1970 of this century: no other number of a transcript is as large. */
const isTime = (value: number): boolean => value > 1_500_000_000_000 && value < 2_600_000_000_000;

export class Normal {
  readonly #version: string;
  readonly #names = new Map<string, string>();
  readonly #counts = new Map<string, number>();
  readonly #chance = new Set(VOLATILE);
  readonly #texts: (readonly [string, string])[] = [];

  /** `version`: of the gateway. */
  constructor(version: string) {
    this.#version = version;
  }

  /** Fields of that name hold a number of chance, in this transcript. */
  chance(...keys: readonly string[]): void {
    for (const key of keys) this.#chance.add(key);
  }

  /** From now on `text` is called `name`, wherever it stands. */
  call(text: string, name: string): void {
    this.#texts.push([text, name]);
    this.#texts.sort(([a], [b]) => b.length - a.length);
  }

  /** `kind` is the name of the field that the text stands in. */
  text(text: string, kind = 'id'): string {
    let plain = text;
    for (const [wanted, name] of this.#texts) plain = plain.replaceAll(wanted, name);
    if (this.#chance.has('to')) plain = plain.replace(/up to \d+/g, 'up to <number>');
    plain = plain
      .replace(SECRET, (secret) => this.#name('secret', secret))
      .replace(OWN_USER, (user) => this.#name('user', user))
      .replace(RUN_ID, (_, session: string, run: string) => `${session}.${this.#name('run', run)}`)
      .replace(UUID, (id) => this.#name(kind === 'session' ? 'session' : 'id', id))
      .replace(POSITION, (_, epoch: string, offset: string) => {
        return `${this.#name('epoch', epoch)}.<place>.${this.#chance.has('position') ? '<offset>' : offset}`;
      })
      .replace(ISO_TIME, '<time>');
    if (kind === 'id' && EVENT_ID.test(plain)) return this.#name('event', plain);
    const field = kind.toLowerCase().replace('binnacle-', '');
    const isOpaque = RANDOM.has(field) && plain === text && /^[\w.:+/=-]{10,}$/.test(text);
    return isOpaque ? this.#name(field, text) : plain;
  }

  value(value: unknown, key = ''): unknown {
    if (typeof value === 'string')
      return key === 'version' && value === this.#version ? '<version>' : this.text(value, key);
    if (typeof value === 'number') return this.#number(value, key);
    if (Array.isArray(value)) return value.map((one) => this.value(one, key));
    if (typeof value !== 'object' || value === null) return value;
    // A receipt of input counts the bytes that the program has not taken by then.
    const known =
      'accepted' in value && 'queued' in value && typeof value.queued === 'number'
        ? { ...value, queued: '<number>' }
        : value;
    return Object.fromEntries(
      Object.entries(known).map(([name, inner]) => [this.text(name), this.value(inner, name)] as const),
    );
  }

  #number(value: number, key: string): unknown {
    if (isTime(value)) return '<time>';
    // Remaining time of a running period.
    if (key === 'expiresInMs') return `<up to ${Math.ceil(value / 60_000) * 60_000}>`;
    return this.#chance.has(key) ? '<number>' : value;
  }

  #name(kind: string, value: string): string {
    const known = this.#names.get(value);
    if (known !== undefined) return known;
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    const name = `<${kind}-${count}>`;
    this.#names.set(value, name);
    return name;
  }
}
