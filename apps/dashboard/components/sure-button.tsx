'use client';
import { useState } from 'react';

interface Props {
  title: string;
  /** What the button says once it was pressed and waits to be pressed again. */
  sureTitle: string;
  /** Names what it is about, where the title alone does not. */
  of?: string;
  hint?: string;
  disabled?: boolean;
  onSure: () => void;
}

/** A button for what cannot be taken back: it asks once, until one looks elsewhere. */
export function SureButton({ title, sureTitle, of, hint, disabled, onSure }: Props) {
  const [sure, setSure] = useState(false);
  return (
    <button
      type="button"
      className="button small"
      title={hint}
      disabled={disabled}
      aria-label={
        of === undefined ? undefined : sure ? `Really ${title.toLowerCase()} ${of}` : `${title} ${of}`
      }
      onClick={() => {
        setSure(!sure);
        if (sure) onSure();
      }}
      onBlur={() => setSure(false)}
    >
      {sure ? sureTitle : title}
    </button>
  );
}
