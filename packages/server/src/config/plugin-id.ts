// Valid plugin ids. An id is a part of config keys, addresses and folder names.

const ID = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
export const MAX_ID = 64;
/** Reserved ids: names of tools begin with the id, and `bash_start` is a built-in tool. */
const CLOSED = new Set(['constructor', 'prototype', 'binnacle', 'bash']);

export const isPluginId = (text: string): boolean => text.length <= MAX_ID && ID.test(text) && !CLOSED.has(text);
