// One tool for agents, which says hello.

/** @type {import('@binnacle/plugin').Plugin} */
export default (api) => {
  api.tool({
    name: 'greet',
    description: 'Says hello to somebody by name.',
    input: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
    readOnly: true,
    run: ({ name }) => `Hello, ${name}!`,
  });
};
