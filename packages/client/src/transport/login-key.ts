// One half of a browser's login: the key, which a page stores where no other port of its host can read. The cookie, the
// other half, is sent by the browser itself.

/** Part of `localStorage` that the key needs. */
export interface KeyStorage {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
  removeItem(name: string): void;
}

/** Key of the login at one gateway. All pages of an origin have the same key, whichever of them has logged in. */
export class LoginKey {
  readonly #name: string;
  readonly #storage: () => KeyStorage | undefined;
  /** Key for as long as the page lives, where nothing can be stored. */
  #unstored: string | undefined = undefined;

  /** `base`: the URL of the gateway. `storage` may throw, as browsers do where storage is blocked. */
  constructor(base: string, storage: () => KeyStorage | undefined = browserStorage) {
    this.#name = `binnacle.key:${base}`;
    this.#storage = storage;
  }

  /** Reads the key each time: another tab may have logged in or out. */
  get value(): string | undefined {
    try {
      return this.#storage()?.getItem(this.#name) ?? this.#unstored;
    } catch {
      return this.#unstored;
    }
  }

  /** Returns whether the key outlives the page; undefined takes it away. */
  set(key: string | undefined): boolean {
    const isStored = this.#store(key);
    this.#unstored = isStored ? undefined : key;
    return isStored && key !== undefined;
  }

  #store(key: string | undefined): boolean {
    try {
      const storage = this.#storage();
      if (key === undefined) storage?.removeItem(this.#name);
      else storage?.setItem(this.#name, key);
      return storage !== undefined;
    } catch {
      return false;
    }
  }
}

// Reading the property throws where storage is blocked. Node has a `localStorage` that is no browser's.
const browserStorage = (): KeyStorage | undefined =>
  typeof document === 'undefined' ? undefined : globalThis.localStorage;
