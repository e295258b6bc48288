// What @binnacle/mock-llm gives.

export { type MockLlm, type MockLlmOptions, type MockRequest, startMockLlm } from './mock-llm.ts';
export type { Answer, Asked, Said, Tool, Usage } from './talk.ts';
