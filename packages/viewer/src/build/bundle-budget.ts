// The size of the code that a browser loads before it shows the page, and its limit. Pure; the build checks it.

/** Maximum compressed bytes of the entry, which shows the list, conversations and all pages, and draws no terminal. */
export const ENTRY_BUDGET = 250 * 1024;

export interface BuiltPart {
  readonly isEntry: boolean;
  /** Parts that load before this one runs. */
  readonly imports: readonly string[];
  /** Compressed bytes. */
  readonly bytes: number;
}

/** Sums all parts that the entries load, directly and indirectly, each once. */
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

/** Describes the excess; undefined within the budget. */
export function overBudget(parts: ReadonlyMap<string, BuiltPart>, budget = ENTRY_BUDGET): string | undefined {
  const bytes = entryBytes(parts);
  if (bytes <= budget) return undefined;
  const names = [...parts].map(([name, part]) => `${name} ${part.bytes}`).join(', ');
  return `The page loads ${bytes} bytes (compressed) before it shows anything; ${budget} are allowed. Parts: ${names}`;
}
