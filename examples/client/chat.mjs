// Talks with an agent: sends one message, prints the answer as it comes, and answers what the agent asks.
//
//   node examples/client/chat.mjs MESSAGE …
//   node examples/client/chat.mjs /ask to go on     the agent `echo`, which every gateway has, asks for permission
//
// The message is sent once, whatever happens to the connection. The conversation stays: `binnacle chat` shows it, too.
import { createInterface } from 'node:readline/promises';
import { openClient } from './gateway.mjs';

const text = process.argv.slice(2).join(' ');
if (text === '') throw new Error('usage: chat.mjs MESSAGE …');

const binnacle = openClient();
const { key } = await binnacle.conversations.create({ name: 'chat.mjs' }); // The one that is there, or a new one.
const conversation = binnacle.conversation(key);

const reply = conversation.send(text);
for await (const event of reply) {
  if (event.type === 'delta') process.stdout.write(event.text);
  if (event.type === 'approval') await answer(event.approval);
}
const { state, error } = await reply.ended;
console.log(state === 'final' ? '' : `\n${state}: ${error?.message ?? ''}`);
binnacle.close();

/** Asks the person at the terminal, and sends the answer. The first answer counts, from whichever client it comes. */
async function answer({ id, title, options }) {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const choices = options.map(({ id, label }) => `${id} (${label})`).join(', ');
  const choice = await terminal.question(`\nThe agent asks: ${title}\n${choices}? `);
  terminal.close();
  await conversation.answer(id, choice.trim());
}
