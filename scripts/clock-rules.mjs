// Durations are counted with the monotonic clock (`performance.now`): the other one is set, back and forward, and what
// waits for it waits for hours, or ends at once. So the wall clock may be read for two things only: to stamp what is
// stored or reported (`at: Date.now()`), and in the files below, each for its reason. Reads the sources as text.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { main, root } from './run.mjs';

/** Files in which the time of day is meant, or the time of another process. */
const ALLOWED = {
  'protocol/src/steady-clock.ts': 'makes steady times of both clocks',
  // The client.
  'client/src/transport/options.ts': 'compares the clocks of page and gateway',
  // The emitter.
  'emit/src/emitter.ts': 'the number of a life, and the mark that it is alive, are for other processes',
  'emit/src/lives.ts': 'compares the times of files; those in the future count as old',
  'emit/src/post.ts': 'Retry-After may name a time of day; bounded',
  // The gateway: rights end at a time of day.
  'server/src/access/auth.ts': 'tokens, logins and links end at a time of day',
  'server/src/access/principal.ts': 'tokens, logins and links end at a time of day',
  'server/src/store/tokens.ts': 'tokens and logins end at a time of day; the use of one is noted',
  'server/src/api/oauth/grants.ts': 'grants and their secrets end at a time of day',
  'server/src/notifications/vapid.ts': 'a JWT ends at a time of day; bounded both ways',
  'server/src/notifications/targets.ts': 'the signature of a webhook has the time of day',
  'server/src/notifications/post.ts': 'Retry-After may name a time of day; bounded by who waits',
  // Stamps that are passed on.
  'server/src/store/sessions.ts': 'stamps rows',
  'server/src/store/conversations.ts': 'stamps rows',
  'server/src/search/index-db.ts': 'the name of a directory says when it was put aside',
  'server/src/notifications/notifications.ts': 'stamps rows',
  'server/src/conversations/conversation.ts': 'stamps events',
  'server/src/conversations/agents/turn-timers.ts': 'stamps the beginning of a silence',
  'server/src/conversations/state/transcript.ts': 'stamps entries',
  'server/src/conversations/agent-turns.ts': 'stamps events',
  'server/src/plugins/notices.ts': 'numbers grow over restarts',
  'server/src/plugins/plugin-log.ts': 'numbers grow over restarts',
  'server/src/plugins/plugins.ts': 'stamps an installation',
  'server/src/recording/import.ts': 'a recording has a time of day, and it may be missing',
  'server/src/runner/lost-session.ts': 'stamps entries',
  'server/src/runner/main.ts': 'stamps lines of a log for people',
  'server/src/runner/runner.ts': 'stamps lines of a log for people',
  'server/src/runner/hosted-program.ts': 'stamps lines of a log for people',
  'server/src/runner/shell-link.ts': 'stamps lines of a log for people',
  'server/src/traffic/ingest.ts': 'stamps what comes',
  'server/src/traffic/foreign-log.ts': 'stamps entries',
  'server/src/api/opensandbox/command-routes.ts': 'tells when something ended',
  'server/src/sessions/timed-sessions.ts': 'keeps a deadline for the next gateway',
  'server/src/api/opensandbox/events.ts': 'stamps frames',
  'server/src/api/traffic/traffic-codec.ts': 'stamps frames',
  'server/src/screen/checkpoints.ts': 'compares the times of files; those in the future count as old',
  // People read them, beside the clock on their wall.
  'cli/src/gateway/connect.ts': 'shows the ages of sessions to choose from',
  'cli/src/commands/chat.ts': 'ages for people',
  'cli/src/commands/ls.ts': 'ages for people',
  'cli/src/plugin/ls.ts': 'ages for people',
  'cli/src/plugin/templates.ts': 'text of a plugin that tells the time',
  'cli/src/doctor/rebuild-catalogue.ts': 'the name of a file says when it was put aside',
  'cli/src/commands/search.ts': 'ages for people',
  'cli/src/commands/share.ts': 'ages for people',
  'cli/src/commands/token.ts': 'ages for people',
  'viewer/src/conversation/approval-card.tsx': 'the end of an approval is a time of day; counted down without',
  'viewer/src/conversation/turns.tsx': 'ages for people',
  'viewer/src/access/guest-welcome.tsx': 'ages for people',
  'viewer/src/sidebar/last-seen.ts': 'kept in the browser, compared with times of sessions',
  'viewer/src/ui/lazy-part.ts': 'kept over a reload; one in the future does not count',
  'viewer/src/plugins/plugin-log.tsx': 'ages for people',
  'viewer/src/replay/replay-bar.tsx': 'ages for people',
  'viewer/src/sharing/share-dialog.tsx': 'ages for people',
  'viewer/src/sharing/share-list.tsx': 'ages for people',
  'viewer/src/access/tokens-view.tsx': 'ages for people',
  'viewer/src/state/use-clock.ts': 'ages for people',
  'viewer/src/traffic/use-traffic.ts': 'asks for what came before a time of day',
};

const WALL = /\bDate\.now\b|\bnew Date\(\)/;
/** A field, and nothing done with it: `at: Date.now(),`. */
const STAMP = /\b\w+: (?:Date\.now\(\)|new Date\(\)\.toISOString\(\))(?=\s*[,})\]]|$)/g;

function sources(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return /\.tsx?$/.test(entry.name) && !/\.(test|fixture)\.tsx?$/.test(entry.name) ? [path] : [];
  });
}

/** Comments and quotes in them are no use of it. */
const withoutComment = (line) => (/^\s*(?:\/\/|\/?\*)/.test(line) ? '' : line.replace(/\s\/\/ .*$/, ''));

await main(import.meta, () => {
  const problems = [];
  const used = new Set();
  const packages = join(root, 'packages');
  const files = ['protocol', 'client', 'emit', 'server', 'cli', 'viewer', 'plugin'].flatMap((name) =>
    sources(join(packages, name, 'src')),
  );
  for (const file of files) {
    const name = relative(packages, file);
    for (const [at, line] of readFileSync(file, 'utf8').split('\n').entries()) {
      if (!WALL.test(withoutComment(line).replace(STAMP, ''))) continue;
      used.add(name);
      if (ALLOWED[name] === undefined) problems.push(`${name}:${at + 1} asks for the time of day: ${line.trim()}`);
    }
  }
  for (const name of Object.keys(ALLOWED)) {
    if (!used.has(name)) problems.push(`${name} is allowed the time of day and does not ask for it.`);
  }
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) {
    console.error(
      `Count durations with performance.now(), ages with TrustedTime; or give a reason in ${basename(import.meta.filename)}.`,
    );
  }
  console.log(
    `${files.length} files, ${problems.length === 0 ? 'durations by the monotonic clock' : `${problems.length} to look at`}.`,
  );
  return problems.length === 0 ? 0 : 1;
});
