import { seriesTitle } from '../lib/format';
import { scales, type CurveSettings } from '../lib/use-curves';
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

const smoothings = ['0', '0.6', '0.9', '0.97'];

/** Along what, how smooth, on which scale, and with or without outliers. */
export function CurveOptions({ settings }: { settings: CurveSettings }) {
  const { axis, setAxis, smoothing, setSmoothing, scale, setScale, extent, setExtent } = settings;
  return (
    <>
      <Select
        label="Smoothing"
        value={smoothing}
        onChange={setSmoothing}
        options={smoothings.map((value) => ({ value, title: value === '0' ? 'none' : value }))}
      />
      <Select
        label="Scale"
        value={scale}
        onChange={setScale}
        options={scales.map((value) => ({ value, title: value }))}
      />
      <Select
        label="Range"
        value={extent}
        onChange={setExtent}
        options={[
          { value: 'all', title: 'all values' },
          { value: 'middle', title: 'no outliers' },
        ]}
      />
      <Segmented
        label="Horizontal axis"
        value={axis}
        onChange={setAxis}
        options={[
          { value: 'epoch', title: 'Epoch' },
          { value: 'step', title: 'Step' },
          { value: 'time', title: 'Time' },
        ]}
      />
    </>
  );
}
