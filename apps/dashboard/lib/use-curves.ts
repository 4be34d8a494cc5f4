'use client';
import { useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import { loadCurves, type CurveStore } from './curve-store';
import { stepsWithin, type Run } from './curves';
import { seriesFrom, type Axis, type Series } from './series';
import { useQueryState } from './use-query-state';

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
  const zoom = useMemo(() => {
    const [low, high] = zoomed.split('~').map(Number);
    return low !== undefined && high !== undefined && low < high ? ([low, high] as const) : null;
  }, [zoomed]);
  return {
    axis,
    setAxis: (name) => {
      chooseAxis(name);
      // A stretch of one axis means nothing on another.
      chooseZoom('');
    },
    ...{ smoothing, setSmoothing, scale, setScale, extent, setExtent, zoom },
    setZoom: (stretch) => {
      const text = stretch?.map((end) => Number(end.toPrecision(6))).join('~');
      chooseZoom(text ?? '');
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

/** While a page changes what it asks for, as when a stretch is drawn out, it asks for the last only. */
const restMilliseconds = 150;

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
      loadCurves({ jobs, steps, series: [series], resolution: 800 }, given.signal).then(
        (curves) => {
          const found = new Map(curves.map((curve) => [curve.jobId, seriesFrom(curve.series[series])]));
          setDetail({ question, found });
        },
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
