/**
 * Sends the output of programs that run elsewhere to a gateway, from Node. Begin with `createEmitter`. In the examples
 * `emitter` is an `Emitter`.
 *
 * @module @binnacle/emit
 */

export type { EmitDiagnostic, EmitDiagnosticKind } from './diagnostics.ts';
export { createEmitter, type Emitter } from './emitter.ts';
export type { EmittedFields } from './fields.ts';
export type { EmitterOptions, SessionOptions } from './options.ts';
export type { EmittedSession } from './session.ts';
export type { Backlog, EmitStats } from './tally.ts';
