// Reports when the network or the page is back, in a browser.

/** Returns what ends the listening. */
export function listenForWake(wake: () => void): () => void {
  // Node has neither; type checks against the DOM do not know that.
  const page = globalThis.document as Document | undefined;
  if (page === undefined) return () => {};
  const visible = () => {
    if (page.visibilityState === 'visible') wake();
  };
  globalThis.addEventListener('online', wake);
  page.addEventListener('visibilitychange', visible);
  return () => {
    globalThis.removeEventListener('online', wake);
    page.removeEventListener('visibilitychange', visible);
  };
}
