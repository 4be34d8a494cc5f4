'use client';
import { useId } from 'react';

interface Option {
  readonly value: string;
  readonly title: string;
}

interface ChoiceProps {
  label: string;
  options: readonly Option[];
  value: string;
  onChange: (value: string) => void;
}

export function Select({ label, options, value, onChange }: ChoiceProps) {
  return (
    <label className="select">
      <span>{label}</span>
      <select value={value} onChange={(change) => onChange(change.target.value)}>
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.title}
          </option>
        ))}
      </select>
    </label>
  );
}

/** A few exclusive choices side by side; arrow keys move between them as in any radio group. */
export function Segmented({ label, options, value, onChange }: ChoiceProps) {
  const name = useId();
  return (
    <fieldset className="segmented">
      <legend className="visually-hidden">{label}</legend>
      {options.map((option) => (
        <label key={option.value}>
          <input
            type="radio"
            name={name}
            value={option.value}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
          />
          <span>{option.title}</span>
        </label>
      ))}
    </fieldset>
  );
}
