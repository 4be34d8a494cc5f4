'use client';
import { useState } from 'react';

/** Something that a button does at the API: `said` is why it was not done, empty while all is well. */
export function useAction(act: () => Promise<void>): { run: () => void; said: string } {
  const [said, setSaid] = useState('');
  const run = () => {
    act().then(
      () => setSaid(''),
      (error: unknown) => setSaid(error instanceof Error ? error.message : String(error)),
    );
  };
  return { run, said };
}
