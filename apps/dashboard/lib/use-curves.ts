'use client';
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { jobsOfRequest, loadCurves, type CurveStore } from './curve-store';
import { stepsWithin, type Run } from './curves';
import { seriesFrom, type Axis, type Series } from './series';
import { useQueryState } from './use-query-state';

/** How long a stretch lies still before it is kept in the address, and more of its points are asked for. */
const restMilliseconds = 200;

export const scales = ['linear', 'log y', 'log x', 'log x, y'] as const;

/** How curves are drawn, kept in the address. */
export interface CurveSettings {
  readonly axis: Axis;
  readonly setAxis: (axis: string) => void;
  /** Weight of what came before, 0 (none) to below 1. */
  readonly smoothing: string;
  readonly setSmoothing: (smoothing: string) => void;
  readonly scale: string;
  readonly setScale: (scale: string) => void;
  /** `all`, or `middle`: outliers are left out of the vertical axis. */
  readonly extent: string;
  readonly setExtent: (extent: string) => void;
  readonly zoom: readonly [number, number] | null;
  readonly setZoom: (stretch: readonly [number, number] | null) => void;
}

export function useCurveSettings(): CurveSettings {
  const [axisName, chooseAxis] = useQueryState('x', 'epoch');
  const [smoothing, setSmoothing] = useQueryState('smooth', '0');
  const [scale, setScale] = useQueryState('scale', 'linear');
  const [extent, setExtent] = useQueryState('extent', 'all');
  const [zoomed, chooseZoom] = useQueryState('zoom', '');
  const axis: Axis = axisName === 'step' || axisName === 'time' ? axisName : 'epoch';
  const kept = useMemo(() => {
    const [low, high] = zoomed.split('~').map(Number);
    return low !== undefined && high !== undefined && low < high ? ([low, high] as const) : null;
  }, [zoomed]);
  // While a stretch is moved it changes with every frame; browsers let an address change less often.
  const [moving, setMoving] = useState<{ stretch: readonly [number, number] | null } | null>(null);
  const rest = useRef<ReturnType<typeof setTimeout> | null>(null);
  const zoom = moving ? moving.stretch : kept;
  return {
    axis,
    setAxis: (name) => {
      chooseAxis(name);
      // A stretch of one axis means nothing on another.
      chooseZoom('');
    },
    ...{ smoothing, setSmoothing, scale, setScale, extent, setExtent, zoom },
    setZoom: (stretch) => {
      setMoving({ stretch });
      if (rest.current !== null) clearTimeout(rest.current);
      rest.current = setTimeout(() => {
        chooseZoom(stretch?.map((end) => Number(end.toPrecision(6))).join('~') ?? '');
        setMoving(null);
      }, restMilliseconds);
    },
  };
}

/** Sees to it that these series of these jobs are loaded, and says when they change, or why they could not be. */
export function useWanted(
  store: CurveStore,
  jobs: readonly string[],
  series: readonly string[],
): { version: number; failed: string | null } {
  const version = useSyncExternalStore(store.subscribe, store.version, store.version);
  const [failed, setFailed] = useState<string | null>(null);
  const wanted = [jobs.join(' '), series.join(' ')].join('|');
  useEffect(() => {
    const [ids = '', names = ''] = wanted.split('|');
    let shown = true;
    store.want(ids.split(' ').filter(Boolean), names.split(' ').filter(Boolean)).then(
      () => shown && setFailed(null),
      (error: unknown) => shown && setFailed(error instanceof Error ? error.message : String(error)),
    );
    return () => {
      shown = false;
    };
  }, [wanted, store]);
  return { version, failed };
}

/** The runs, with more of one series' points where only a stretch of the axis is looked at and there are more. */
export function useDetail(
  runs: readonly Run[],
  name: string,
  { axis, zoom }: Pick<CurveSettings, 'axis' | 'zoom'>,
): readonly Run[] {
  const question = useMemo(() => {
    const coarse = runs.filter(({ series }) => {
      const known = series(name);
      return known !== undefined && known.of > known.step.length;
    });
    const steps = zoom && coarse.length > 0 ? stepsWithin(coarse, name, axis, zoom) : null;
    return steps && JSON.stringify({ jobs: [...new Set(coarse.map(({ job }) => job))], steps, name });
  }, [runs, name, axis, zoom]);
  const [detail, setDetail] = useState<{ question: string; found: Map<string, Series> } | null>(null);
  useEffect(() => {
    if (question === null) return undefined;
    const {
      jobs,
      steps,
      name: series,
    } = JSON.parse(question) as {
      jobs: string[];
      steps: [number, number];
      name: string;
    };
    const given = new AbortController();
    const timer = setTimeout(() => {
      const resolution = jobs.length > 40 ? 200 : 800;
      const load = async () => {
        const found = new Map<string, Series>();
        for (let start = 0; start < jobs.length; start += jobsOfRequest) {
          const part = jobs.slice(start, start + jobsOfRequest);
          const asked = { jobs: part, steps, series: [series], resolution };
          for (const curve of await loadCurves(asked, given.signal))
            found.set(curve.jobId, seriesFrom(curve.series[series]));
        }
        return found;
      };
      load().then(
        (found) => setDetail({ question, found }),
        // What is drawn already stays.
        () => undefined,
      );
    }, restMilliseconds);
    return () => {
      clearTimeout(timer);
      given.abort();
    };
  }, [question]);
  return useMemo(() => {
    if (question === null || detail?.question !== question) return runs;
    return runs.map((run) => ({
      ...run,
      series: (wanted: string) => {
        const whole = run.series(wanted);
        const part = wanted === name ? detail.found.get(run.job) : undefined;
        return part && whole ? { ...part, start: whole.start } : whole;
      },
    }));
  }, [runs, name, question, detail]);
}
