// How much a browser loads before it shows the page, and whether that is too much. Pure; the build asks it.

/** Compressed, in bytes: what shows the list, conversations and all pages, and draws no terminal. */
export const ENTRY_BUDGET = 250 * 1024;

export interface BuiltPart {
  readonly isEntry: boolean;
  /** What it loads before it runs. */
  readonly imports: readonly string[];
  /** Compressed. */
  readonly bytes: number;
}

/** All that entries load, directly and through others, each part once. */
export function entryBytes(parts: ReadonlyMap<string, BuiltPart>): number {
  const loaded = new Set<string>();
  const load = (name: string): void => {
    if (loaded.has(name)) return;
    loaded.add(name);
    for (const other of parts.get(name)?.imports ?? []) load(other);
  };
  for (const [name, { isEntry }] of parts) if (isEntry) load(name);
  return [...loaded].reduce((sum, name) => sum + (parts.get(name)?.bytes ?? 0), 0);
}

/** What is wrong, in words; undefined where nothing is. */
export function overBudget(parts: ReadonlyMap<string, BuiltPart>, budget = ENTRY_BUDGET): string | undefined {
  const bytes = entryBytes(parts);
  if (bytes <= budget) return undefined;
  const names = [...parts].map(([name, part]) => `${name} ${part.bytes}`).join(', ');
  return `The page loads ${bytes} bytes (compressed) before it shows anything; ${budget} are allowed. Parts: ${names}`;
}
