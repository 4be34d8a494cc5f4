'use client';
import type { ExperimentDetail } from '@ferment/contracts';
import { createContext, useContext } from 'react';

/** The variants of the experiment that is looked at. */
export const Variants = createContext<ExperimentDetail['variants']>([]);

/** A variant's name; one that is named after the factor it leaves out says so. */
export function VariantName({ variant }: { variant: string }) {
  const factors = useContext(Variants).find(({ name }) => name === variant)?.factors;
  if (factors?.[variant] !== 'off') return variant;
  return (
    <>
      {variant} <span className="muted">left out</span>
    </>
  );
}
