import type { Axis } from '../lib/curves';
import { seriesTitle } from '../lib/format';
import { Segmented, Select } from './controls';

/** Which series is drawn: of those that there are, or the one that is waited for. */
export function MetricSelect({
  names,
  value,
  onChange,
}: {
  names: readonly string[];
  value: string;
  onChange: (name: string) => void;
}) {
  return (
    <Select
      label="Metric"
      value={value}
      onChange={onChange}
      options={(names.length > 0 ? names : [value]).map((name) => ({
        value: name,
        title: seriesTitle(name),
      }))}
    />
  );
}

export function AxisChoice({ axis, onChange }: { axis: Axis; onChange: (axis: string) => void }) {
  return (
    <Segmented
      label="Horizontal axis"
      value={axis}
      onChange={onChange}
      options={[
        { value: 'epoch', title: 'Epoch' },
        { value: 'step', title: 'Step' },
      ]}
    />
  );
}
