// What @binnacle/mock-llm gives.

export { type MockLlm, type MockLlmOptions, type MockRequest, startMockLlm } from './mock-llm.ts';
export type { Answer, InputPart, ModelRequest, Tool, Usage } from './talk.ts';
