export * from './capture.js';
export * from './graph-def.js';
export * from './interpret.js';
export * from './program.js';
export * from './protobuf.js';
export * from './trace.js';
export { largestConstant } from './recorder.js';
export * from './verify.js';
export { readNode, variableNode, writeNodes } from './variables.js';
