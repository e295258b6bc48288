// Notifies a person that an agent waits for them: on the page, on the phone by ntfy, on the desktop.

/**
 * @typedef {{ ntfyUrl: string, topic: string, token: string, desktop: boolean, details: boolean, sessions: boolean }} Config
 * @typedef {{ title: string, text: string }} Notice
 */

/** For services that take a moment; no caller waits for these hooks. */
const HOOK_OPTIONS = { deadlineMs: 5000 };

/** @type {import('@binnacle/plugin').Plugin<Config>} */
export default (api) => {
  const { ntfyUrl, topic, token, desktop, details, sessions } = api.config;

  /** @type {((notice: Notice) => Promise<unknown>)[]} */
  const ways = [(notice) => api.notify(notice)];
  if (topic !== '') ways.push((notice) => sendToNtfy(api, { url: ntfyUrl, topic, token }, notice));
  if (desktop) ways.push((notice) => showOnDesktop(api, notice));

  /** One way that fails keeps none of the others. @param {Notice} notice */
  const notifyAll = async (notice) => {
    for (const result of await Promise.allSettled(ways.map((way) => way(notice)))) {
      if (result.status === 'rejected') console.error(result.reason.message);
    }
  };

  api.hook(
    'agentWaits',
    async ({ title, detail }) => {
      await notifyAll({
        title: 'An agent waits for you',
        text: details && detail !== title ? `${title}\n${detail}` : title,
      });
    },
    HOOK_OPTIONS,
  );

  if (!sessions) return;
  api.hook(
    'sessionEnd',
    async ({ name, exitCode, signal }) => {
      if (exitCode === null && signal === null) return;
      await notifyAll({
        title: `${name} has ended`,
        text: signal === null ? `Exit code ${exitCode}` : `Signal ${signal}`,
      });
    },
    HOOK_OPTIONS,
  );
};

/**
 * As JSON to the root of the server: a title in a header could have no letters but those of English.
 *
 * @param {import('@binnacle/plugin').PluginApi<Config>} api
 * @param {{ url: string, topic: string, token: string }} ntfy
 * @param {Notice} notice
 */
async function sendToNtfy(api, { url, topic, token }, { title, text }) {
  const { status } = await api.fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token === '' ? {} : { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ topic, title, message: text }),
  });
  if (status !== 200) throw new Error(`ntfy at ${url} answered ${status}.`);
}

/**
 * @param {import('@binnacle/plugin').PluginApi<Config>} api
 * @param {Notice} notice
 */
async function showOnDesktop(api, { title, text }) {
  const argv = ['notify-send', '--app-name=Binnacle', '--', title, withoutMarkup(text)];
  const { exitCode, stderr } = await api.runCommandWithTimeout(argv, { timeoutMs: 4000 });
  if (exitCode !== 0) throw new Error(`notify-send ended with ${exitCode}: ${stderr.slice(0, 200)}`);
}

/** Desktops read it as markup. @param {string} text */
const withoutMarkup = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
