#!/usr/bin/env node
import { existsSync } from 'node:fs';

const program = new URL('../dist/main.js', import.meta.url);
if (existsSync(program)) await import(program.href);
else {
  console.error('Ferment is not built yet. Run: npm run setup');
  process.exitCode = 1;
}
