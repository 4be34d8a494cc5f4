import { gunzipSync, gzipSync } from 'node:zlib';
import { parquetMetadataAsync, parquetRead } from 'hyparquet';
import type { AsyncBuffer, DecodedArray, FileMetaData } from 'hyparquet';
import { parquetWriteBuffer, type ColumnSource } from 'hyparquet-writer';
import { rowFrom, sliceColumns, type Column, type CurveColumns } from './columns.js';
import type { KeptBytes } from './kept-bytes.js';
import {
  overviewBytes,
  overviewDirectory,
  overviewOf,
  seriesOverview,
  type OverviewDirectory,
  type SeriesOverview,
} from './overview.js';

/** A range of steps reads only the groups that have some of it; most curves are one group. */
const rowsOfGroup = 16_384;
/** Read to find the footer; that of thirty series is 6 kB. */
const footerGuess = 16_384;

type Axis = 'step' | 'epoch' | 'time';
const axisNames: readonly string[] = ['step', 'epoch', 'time'] satisfies Axis[];

/** Series have their own names; one that is named like an axis stands aside. */
const columnName = (series: string): string => (axisNames.includes(series) ? `series.${series}` : series);
const seriesName = (column: string): string =>
  column.startsWith('series.') && axisNames.includes(column.slice(7)) ? column.slice(7) : column;

/**
 * A curve as a Parquet file: a row a step, columns `step`, `epoch`, `time` (milliseconds since the epoch) and one a
 * series. A step without a series is null in its column; a value that was no finite number is NaN.
 *
 * Between the columns and the footer lie the series in few buckets (see {@link overviewOf}), where readers of Parquet do
 * not look; the footer's entry `ferment.overview` tells where.
 */
export function curveFile(curve: CurveColumns): Uint8Array {
  const { step, epoch, time, series } = curve;
  const overview = overviewOf(curve);
  const dense = (name: string, data: Float64Array): ColumnSource => ({
    name,
    data,
    type: 'DOUBLE',
    nullable: false,
    encoding: 'BYTE_STREAM_SPLIT',
  });
  const columnData: ColumnSource[] = [
    { name: 'step', data: step, type: 'INT32', nullable: false, encoding: 'DELTA_BINARY_PACKED' },
    dense('epoch', epoch),
    dense('time', time),
    ...[...series].map(([name, { values, present }]): ColumnSource => {
      if (present === null) return dense(columnName(name), values);
      const data = Array.from(values, (value, index) => (present[index] === 1 ? value : null));
      return { name: columnName(name), data, type: 'DOUBLE' };
    }),
  ];
  const file = parquetWriteBuffer({
    columnData,
    codec: 'GZIP',
    compressors: { GZIP: (bytes) => gzipSync(bytes, { level: 1 }) },
    rowGroupSize: rowsOfGroup,
    createdBy: 'ferment',
    kvMetadata: [{ key: overviewKey, value: JSON.stringify(overview.directory) }],
  });
  const footer = footerStart(file);
  return Buffer.concat([new Uint8Array(file, 0, footer), overview.bytes, new Uint8Array(file, footer)]);
}

const overviewKey = 'ferment.overview';

/** The file ends with the footer, its length in four bytes, and `PAR1`. */
function footerStart(file: ArrayBuffer): number {
  return file.byteLength - 8 - new DataView(file).getUint32(file.byteLength - 8, true);
}

export interface CurveOverview {
  directory: OverviewDirectory;
  /** Of the series that were asked for; those that the curve does not have are left out. */
  series: Map<string, SeriesOverview>;
}

/**
 * Some series of a curve's file in few buckets; null where the file has none, as older ones.
 *
 * @param hash the file's name in `kept`
 */
export async function readCurveOverview(
  file: AsyncBuffer,
  hash: string,
  wanted: readonly string[],
  kept: KeptBytes,
): Promise<CurveOverview | null> {
  const metadata = await footerOf(file, hash, kept);
  const told = metadata.key_value_metadata?.find(({ key }) => key === overviewKey)?.value;
  if (told === undefined) return null;
  const directory = overviewDirectory.parse(JSON.parse(told));
  const end = file.byteLength - 8 - metadata.metadata_length;
  const all = Object.values(directory.series).reduce((sum, { rows }) => sum + overviewBytes(rows), 0);
  const series = await Promise.all(
    wanted.flatMap((name) => {
      const place = directory.series[name];
      if (!place || !Object.hasOwn(directory.series, name)) return [];
      const size = overviewBytes(place.rows);
      const read = async () => {
        const start = end - all + place.at;
        return { value: seriesOverview(await file.slice(start, start + size), place.of), bytes: size };
      };
      return [kept.get(`${hash} overview ${name}`, read).then((found) => [name, found] as const)];
    }),
  );
  return { directory, series: new Map(series) };
}

function footerOf(file: AsyncBuffer, hash: string, kept: KeptBytes): Promise<FileMetaData> {
  return kept.get(`${hash} footer`, async () => {
    const footer = await parquetMetadataAsync(file, { initialFetchSize: footerGuess });
    return { value: footer, bytes: 4 * footer.metadata_length };
  });
}

/** What is wanted of a curve: by default all of it. */
export interface CurvePart {
  /** First and last step. */
  from?: number | undefined;
  to?: number | undefined;
  /** Those that the curve does not have are left out. */
  series?: readonly string[] | undefined;
  /** Whether epochs and times are wanted; zeros stand in their place where not. */
  epoch?: boolean;
  time?: boolean;
}

export interface CurvePartRead {
  curve: CurveColumns;
  /** Of all series in the file. */
  names: string[];
}

/**
 * Reads a part of a curve's file: the footer, and of the row groups that have the steps, the columns that are asked for.
 *
 * @param file reads stretches of bytes; its name in `kept` is `hash`
 * @param kept columns read before, which need not be read again
 */
export async function readCurveFile(
  file: AsyncBuffer,
  hash: string,
  part: CurvePart,
  kept: KeptBytes,
): Promise<CurvePartRead> {
  const metadata = await footerOf(file, hash, kept);
  const all = seriesOf(metadata);
  const names = all.filter((name) => part.series?.includes(name) ?? true);
  const wanted: string[] = ['step', ...names.map(columnName)];
  if (part.epoch ?? true) wanted.push('epoch');
  if (part.time ?? true) wanted.push('time');
  const groups = groupsWithin(metadata, part.from ?? 0, part.to ?? Infinity);
  const parts = await Promise.all(
    groups.map((group) => readGroup(file, hash, metadata, group, wanted, kept)),
  );
  const rows = groups.reduce((sum, { rows: own }) => sum + own, 0);
  const joined = (name: string): Column =>
    joinColumns(
      parts.map((columns) => columns.get(name)),
      rows,
    );
  const axis = (name: Axis): Float64Array =>
    wanted.includes(name) ? joined(name).values : new Float64Array(rows);
  const whole: CurveColumns = {
    step: Int32Array.from(joined('step').values),
    epoch: axis('epoch'),
    time: axis('time'),
    series: new Map(names.map((name) => [name, joined(columnName(name))])),
  };
  const end = part.to === undefined ? rows : rowFrom(whole.step, part.to + 1);
  return { names: all, curve: sliceColumns(whole, rowFrom(whole.step, part.from ?? 0), end) };
}

function seriesOf({ schema }: FileMetaData): string[] {
  return schema
    .slice(1)
    .map(({ name }) => name)
    .filter((name) => !axisNames.includes(name))
    .map(seriesName);
}

interface Group {
  start: number;
  rows: number;
}

/** Row groups that may have steps of the range, by the footer's bounds. */
function groupsWithin({ row_groups }: FileMetaData, from: number, to: number): Group[] {
  let start = 0;
  return row_groups.flatMap((group) => {
    const own = { start, rows: Number(group.num_rows) };
    start += own.rows;
    const step = group.columns.find((column) => column.meta_data?.path_in_schema[0] === 'step');
    const { min_value: first, max_value: last } = step?.meta_data?.statistics ?? {};
    return Number(first ?? 0) > to || Number(last ?? Infinity) < from ? [] : [own];
  });
}

async function readGroup(
  file: AsyncBuffer,
  hash: string,
  metadata: FileMetaData,
  { start, rows }: Group,
  wanted: readonly string[],
  kept: KeptBytes,
): Promise<Map<string, Column>> {
  const keyOf = (column: string): string => `${hash} ${start} ${column}`;
  const found = new Map<string, Column>();
  for (const column of wanted) {
    const known = kept.peek<Column>(keyOf(column));
    if (known) found.set(column, known);
  }
  const missing = wanted.filter((column) => !found.has(column));
  if (missing.length === 0) return found;
  const pieces = new Map(missing.map((column) => [column, [] as { at: number; data: DecodedArray }[]]));
  await parquetRead({
    file,
    metadata,
    columns: [...missing],
    rowStart: start,
    rowEnd: start + rows,
    compressors: { GZIP: (bytes) => gunzipSync(bytes) },
    onChunk: ({ columnName: column, columnData, rowStart }) =>
      pieces.get(column)?.push({ at: rowStart - start, data: columnData }),
  });
  for (const [column, read] of pieces) {
    const decoded = columnFrom(read, rows);
    kept.put(keyOf(column), decoded, 8 * rows + (decoded.present ? rows : 0));
    found.set(column, decoded);
  }
  return found;
}

function columnFrom(pieces: readonly { at: number; data: DecodedArray }[], rows: number): Column {
  const [only] = pieces;
  if (pieces.length === 1 && only?.data instanceof Float64Array) return { values: only.data, present: null };
  const values = new Float64Array(rows).fill(NaN);
  const present = new Uint8Array(rows);
  let count = 0;
  for (const { at, data } of pieces) {
    for (let index = 0; index < data.length; index++) {
      const value: unknown = data[index];
      if (value === null || value === undefined) continue;
      values[at + index] = Number(value);
      present[at + index] = 1;
      count += 1;
    }
  }
  return { values, present: count === rows ? null : present };
}

function joinColumns(parts: readonly (Column | undefined)[], rows: number): Column {
  const [only] = parts;
  if (parts.length === 1 && only) return only;
  const values = new Float64Array(rows).fill(NaN);
  const present = new Uint8Array(rows);
  let at = 0;
  for (const part of parts) {
    if (!part) continue;
    values.set(part.values, at);
    if (part.present) present.set(part.present, at);
    else present.fill(1, at, at + part.values.length);
    at += part.values.length;
  }
  return { values, present: present.includes(0) ? present : null };
}
