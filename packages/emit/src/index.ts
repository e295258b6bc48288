// Emits what happens in programs that run elsewhere to a gateway. For Node only: browsers import the package itself.

export type { EmitDiagnostic, EmitDiagnosticKind } from './diagnostics.ts';
export { createEmitter, type Emitter } from './emitter.ts';
export type { EmittedFields } from './fields.ts';
export type { EmitterOptions, SessionOptions } from './options.ts';
export type { EmittedSession } from './session.ts';
export type { EmitStats, Undelivered } from './tally.ts';
