/**
 * The safetensors format (https://github.com/huggingface/safetensors): eight bytes of header length, a JSON header
 * of names, dtypes, shapes and byte ranges, then the tensors' bytes, row-major and little-endian.
 *
 * Half-precision tensors (`F16`, `BF16`) are carried as their raw 16 bits: JavaScript has no array type for them.
 */

interface DtypeArrays {
  F64: Float64Array;
  F32: Float32Array;
  F16: Uint16Array;
  BF16: Uint16Array;
  I64: BigInt64Array;
  I32: Int32Array;
  I16: Int16Array;
  I8: Int8Array;
  U64: BigUint64Array;
  U32: Uint32Array;
  U16: Uint16Array;
  U8: Uint8Array;
  BOOL: Uint8Array;
}

const arrayTypes = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U64: BigUint64Array,
  U32: Uint32Array,
  U16: Uint16Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const satisfies Record<keyof DtypeArrays, unknown>;

export type SafetensorsDtype = keyof DtypeArrays;
export const safetensorsDtypes = Object.keys(arrayTypes) as SafetensorsDtype[];

/** A named tensor of a file: the array type follows from the dtype. */
export type SafetensorsTensor = {
  [D in SafetensorsDtype]: { dtype: D; shape: readonly number[]; data: DtypeArrays[D] };
}[SafetensorsDtype];

export interface SafetensorsFile {
  tensors: Record<string, SafetensorsTensor>;
  metadata: Record<string, string>;
}

/** Bytes that are no valid safetensors file, or tensors that cannot be written as one. */
export class SafetensorsError extends Error {
  override name = 'SafetensorsError';
}

const lengthBytes = 8;
const headerAlignment = 8;
const headerLimit = 100_000_000;
const metadataKey = '__metadata__';

const byteWidth = (dtype: SafetensorsDtype): number => arrayTypes[dtype].BYTES_PER_ELEMENT;

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

const isSize = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;

const isSizes = (value: unknown): value is number[] => Array.isArray(value) && value.every(isSize);

function requireLittleEndian(): void {
  if (new Uint8Array(Uint16Array.of(1).buffer)[0] !== 1) {
    throw new SafetensorsError('safetensors: expected a little-endian machine; this one is big-endian');
  }
}

function checkTensor(name: string, tensor: SafetensorsTensor): void {
  const where = `safetensors tensor "${name}"`;
  if (name === metadataKey) throw new SafetensorsError(`${where}: the name is reserved; rename the tensor`);
  if (!Object.hasOwn(arrayTypes, tensor.dtype)) {
    throw new SafetensorsError(
      `${where}: unknown dtype ${tensor.dtype}; expected ${safetensorsDtypes.join(', ')}`,
    );
  }
  if (!tensor.shape.every(isSize)) {
    throw new SafetensorsError(
      `${where}: expected sizes that are whole and not negative, got [${tensor.shape.join(', ')}]`,
    );
  }
  if (!(tensor.data instanceof arrayTypes[tensor.dtype])) {
    throw new SafetensorsError(`${where}: dtype ${tensor.dtype} wants a ${arrayTypes[tensor.dtype].name}`);
  }
  if (elements(tensor.shape) !== tensor.data.length) {
    throw new SafetensorsError(
      `${where}: shape [${tensor.shape.join(', ')}] has ${elements(tensor.shape)} elements, the data ${tensor.data.length}`,
    );
  }
}

/**
 * Writes a safetensors file. The bytes depend on the content only: tensors stand by falling element width, then by
 * name (every tensor is aligned to its width), metadata by key, and the header is padded with spaces to 8 bytes.
 *
 * @param tensors  by name; the data's length is the product of the shape
 * @param metadata text by key; kept under `__metadata__`
 * @throws SafetensorsError where a tensor's dtype, shape and data disagree
 */
export function writeSafetensors(
  tensors: Readonly<Record<string, SafetensorsTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  requireLittleEndian();
  const entries = Object.entries(tensors);
  for (const [name, tensor] of entries) checkTensor(name, tensor);
  entries.sort(([a, x], [b, y]) => byteWidth(y.dtype) - byteWidth(x.dtype) || compareText(a, b));

  const parts: string[] = [];
  const texts = Object.entries(metadata).sort(([a], [b]) => compareText(a, b));
  if (texts.length > 0) {
    const body = texts.map(([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`).join(',');
    parts.push(`"${metadataKey}":{${body}}`);
  }
  let offset = 0;
  for (const [name, { dtype, shape, data }] of entries) {
    const end = offset + data.byteLength;
    parts.push(
      `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape.join(',')}],"data_offsets":[${offset},${end}]}`,
    );
    offset = end;
  }
  const json = new TextEncoder().encode(`{${parts.join(',')}}`);
  const headerLength = Math.ceil(json.length / headerAlignment) * headerAlignment;

  const file = new Uint8Array(lengthBytes + headerLength + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerLength), true);
  file.fill(0x20, lengthBytes, lengthBytes + headerLength);
  file.set(json, lengthBytes);
  let position = lengthBytes + headerLength;
  for (const [, { data }] of entries) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), position);
    position += data.byteLength;
  }
  return file;
}

interface HeaderEntry {
  name: string;
  dtype: SafetensorsDtype;
  shape: number[];
  begin: number;
  end: number;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDtype(value: unknown): value is SafetensorsDtype {
  return typeof value === 'string' && Object.hasOwn(arrayTypes, value);
}

function parseEntry(name: string, value: unknown, dataBytes: number): HeaderEntry {
  const where = `safetensors tensor "${name}"`;
  if (!isRecord(value)) throw new SafetensorsError(`${where}: expected an object in the header`);
  const { dtype, shape, data_offsets: range } = value;
  if (!isDtype(dtype)) {
    throw new SafetensorsError(
      `${where}: unknown dtype ${JSON.stringify(dtype)}; expected ${safetensorsDtypes.join(', ')}`,
    );
  }
  if (!isSizes(shape)) {
    throw new SafetensorsError(
      `${where}: expected a shape of whole sizes, not negative, got ${JSON.stringify(shape)}`,
    );
  }
  const [begin, end] = isSizes(range) ? range : [];
  if (begin === undefined || end === undefined) {
    throw new SafetensorsError(`${where}: expected data_offsets [begin, end], got ${JSON.stringify(range)}`);
  }
  if (end > dataBytes) {
    throw new SafetensorsError(
      `${where}: bytes ${begin} to ${end} lie beyond the file's ${dataBytes} bytes of data; the file is truncated`,
    );
  }
  if (end - begin !== elements(shape) * byteWidth(dtype)) {
    throw new SafetensorsError(
      `${where}: shape [${shape.join(', ')}] of ${dtype} needs ${elements(shape) * byteWidth(dtype)} bytes, data_offsets span ${end - begin}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

function parseMetadata(value: unknown): Record<string, string> {
  if (value === undefined) return {};
  if (!isRecord(value)) throw new SafetensorsError(`safetensors ${metadataKey}: expected an object of texts`);
  const texts = Object.entries(value).map(([key, text]): [string, string] => {
    if (typeof text !== 'string') {
      throw new SafetensorsError(
        `safetensors ${metadataKey} "${key}": expected text, got ${JSON.stringify(text)}`,
      );
    }
    return [key, text];
  });
  return Object.fromEntries(texts);
}

function parseHeader(bytes: Uint8Array): { header: Record<string, unknown>; dataStart: number } {
  if (bytes.length < lengthBytes) {
    throw new SafetensorsError(
      `safetensors: expected at least ${lengthBytes} bytes, got ${bytes.length}; the file is truncated`,
    );
  }
  const declared = new DataView(bytes.buffer, bytes.byteOffset, lengthBytes).getBigUint64(0, true);
  if (declared > BigInt(headerLimit)) {
    throw new SafetensorsError(
      `safetensors: header length ${declared} is above ${headerLimit}; this is no safetensors file`,
    );
  }
  const dataStart = lengthBytes + Number(declared);
  if (dataStart > bytes.length) {
    throw new SafetensorsError(
      `safetensors: the header needs ${declared} bytes, ${bytes.length - lengthBytes} are there; the file is truncated`,
    );
  }
  let header: unknown;
  try {
    header = JSON.parse(
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(lengthBytes, dataStart)),
    );
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SafetensorsError(`safetensors: the header is no JSON (${reason})`, { cause: error });
  }
  if (!isRecord(header)) throw new SafetensorsError('safetensors: expected the header to be a JSON object');
  return { header, dataStart };
}

/** Every byte of data belongs to exactly one tensor: neither overlaps nor gaps. */
function checkCoverage(entries: readonly HeaderEntry[], dataBytes: number): void {
  const ordered = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const { name, begin, end } of ordered) {
    if (begin < covered) {
      throw new SafetensorsError(
        `safetensors tensor "${name}": bytes ${begin} to ${covered} overlap another tensor`,
      );
    }
    if (begin > covered) {
      throw new SafetensorsError(
        `safetensors tensor "${name}": bytes ${covered} to ${begin} before it belong to no tensor`,
      );
    }
    covered = end;
  }
  if (covered !== dataBytes) {
    throw new SafetensorsError(
      `safetensors: the last ${dataBytes - covered} bytes of the file belong to no tensor`,
    );
  }
}

/**
 * Reads a safetensors file. The tensors are copies: they do not share memory with `bytes`.
 *
 * @throws SafetensorsError naming the tensor and what was expected, for any file that is truncated, has overlapping,
 *   missing or surplus bytes, an unknown dtype, or a header that is not as the format asks
 */
export function readSafetensors(bytes: Uint8Array): SafetensorsFile {
  requireLittleEndian();
  const { header, dataStart } = parseHeader(bytes);
  const dataBytes = bytes.length - dataStart;
  const entries = Object.entries(header)
    .filter(([name]) => name !== metadataKey)
    .map(([name, value]) => parseEntry(name, value, dataBytes));
  checkCoverage(entries, dataBytes);
  const tensors = entries.map(({ name, dtype, shape, begin, end }): [string, SafetensorsTensor] => {
    const buffer = new ArrayBuffer(end - begin);
    new Uint8Array(buffer).set(bytes.subarray(dataStart + begin, dataStart + end));
    // The dtype chooses the array's class, which the type system cannot follow through the table.
    return [name, { dtype, shape, data: new arrayTypes[dtype](buffer) } as SafetensorsTensor];
  });
  return { tensors: Object.fromEntries(tensors), metadata: parseMetadata(header[metadataKey]) };
}
