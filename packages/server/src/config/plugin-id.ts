// What a plugin can be called. Its id is a part of keys of the config file, of addresses and of folders.

const ID = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
export const MAX_ID = 64;
/** Names of tools begin with the id, and `bash_start` is ours. */
const CLOSED = new Set(['constructor', 'prototype', 'binnacle', 'bash']);

export const isPluginId = (text: string): boolean => text.length <= MAX_ID && ID.test(text) && !CLOSED.has(text);
